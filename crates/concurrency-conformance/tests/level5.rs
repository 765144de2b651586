//! Level 5 on the model: `Memory` behind a lossy channel.

use std::sync::{Arc, Mutex};

use concurrency_conformance::{
    Histories,
    fault::{Ground, Plan, Subject, Tally, channel::Channel, run},
};

fn on_memory(subject: Subject, seeds: std::ops::Range<u64>) -> Tally {
    let (ground, mut tally) = (Channel::memory(), Tally::default());
    for seed in seeds {
        let plan = Plan::draw(subject, seed, ground.kinds());
        let outcome = run(&ground, &plan, None);
        assert_eq!(outcome.violation, None, "{plan}");
        tally.add(&outcome.tally);
    }
    println!("{tally}");
    tally
}

#[test]
fn the_model_keeps_the_contract_of_state_under_fire() {
    on_memory(Subject::State, 0..200).proves().unwrap();
}

#[test]
fn the_model_keeps_the_contract_of_locks_under_fire() {
    on_memory(Subject::Lock, 0..200).proves().unwrap();
}

#[test]
fn the_model_keeps_the_contract_of_events_under_fire() {
    on_memory(Subject::Events, 0..200).proves().unwrap();
}

#[test]
fn a_plan_gives_one_history() {
    for subject in Subject::ALL {
        let recorded = |_| {
            let lines = Arc::new(Mutex::new(Vec::new()));
            let kept = Arc::clone(&lines);
            let histories: Histories = Arc::new(move |written| kept.lock().unwrap().extend_from_slice(written));
            let ground = Channel::memory();
            drop(run(&ground, &Plan::draw(*subject, 7, ground.kinds()), Some(&histories)));
            let lines = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
            assert!(lines.lines().count() >= 150, "{subject:?}");
            // Times begin when this process does.
            let answers = lines.lines().map(|line| {
                let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
                let line = line.as_object_mut().unwrap();
                let took = line["returned"].as_u64().map(|end| end - line["invoked"].as_u64().unwrap());
                line.insert("took".to_owned(), took.into());
                format!("{} {} {} {}", line["client"], line["key"], line["took"], line["answer"]["ok"].is_null())
            });
            answers.collect::<Vec<_>>()
        };
        assert_eq!(recorded(1), recorded(2), "{subject:?}");
    }
}
