//! Wrong in-memory event stores.

use super::Patch;

/// A name, the sentences that it breaks, what stands in the file of the rules, and what stands there instead.
const fn patch(
    name: &'static str,
    sentences: &'static [&'static str],
    find: &'static str,
    replace: &'static str,
) -> Patch {
    Patch { name, sentences, file: "event.rs", find, replace }
}

const ARGUMENTS: &str = "check_append(stream, &events, &self.space.capabilities)?;";
const EXPECTED: &str = "expected.check(stream, known.last)?;";
const EXPECTED_MISSING: &str = "expected.check(stream, 0)?;";
const LOOK_UP: &str = "if let Some(answer) = known.repeated(append_id, events) {
                    return answer;
                }";
const SAME: &str = "let same = known.content.iter().map(|(event_type, data)| (&**event_type, data)).eq(given);";
const TRUNCATED: &str = "kept.first = first;";
const STEP: &str = "self.space.append(stream, &events, parts)
    }

    async fn read(";
const WAKE: &str = "self.appended.notify_waiters();";

#[rustfmt::skip]
pub(super) const PATCHES: &[Patch] = &[
    patch("appends_nothing_and_says_so", &["E-4"], ARGUMENTS,
        "if !events.is_empty() {
            check_append(stream, &events, &self.space.capabilities)?;
        }"),
    patch("checks_the_first_event_only", &["E-49", "G-13"], ARGUMENTS,
        "check_append(stream, &events[..events.len().min(1)], &self.space.capabilities)?;"),
    patch("takes_any_number_of_events", &["E-50"], ARGUMENTS,
        "let no_limit = EventCapabilities { max_batch_events: usize::MAX, ..self.space.capabilities };
        check_append(stream, &events, &no_limit)?;"),
    patch("takes_any_number_of_bytes", &["E-50"], ARGUMENTS,
        "let no_limit = EventCapabilities { max_batch_bytes: usize::MAX, ..self.space.capabilities };
        check_append(stream, &events, &no_limit)?;"),
    patch("takes_any_event_type", &["E-48"], ARGUMENTS,
        r#"let mut unnamed = events.clone();
        unnamed.iter_mut().for_each(|event| event.event_type = "t".to_owned());
        check_append(stream, &unnamed, &self.space.capabilities)?;"#),
    patch("stores_what_stood_before_what_is_too_large", &["G-14", "E-49"], ARGUMENTS,
        "if let Err(refused) = check_append(stream, &events, &self.space.capabilities) {
            if let Error::ValueTooLarge { .. } = refused {
                self.space.append(stream, &events[..1], parts)?;
            }
            return Err(refused);
        }"),
    patch("trims_names", &["G-8"], "let parts = options.into_parts()?;
        check",
        "let parts = options.into_parts()?;
        let stream = if stream.trim_end().is_empty() { stream } else { stream.trim_end() };
        check"),
    patch("folds_case_of_names", &["G-8"], "let parts = options.into_parts()?;
        check",
        "let parts = options.into_parts()?;
        let lower = stream.to_lowercase();
        let stream = if lower.len() == stream.len() { lower.as_str() } else { stream };
        check"),
    patch("reads_bad_names_as_empty_streams", &["G-6"], "check_key(stream)?;
        let parts = query",
        "let parts = query"),
    patch("reads_after_closing", &["G-75"], "self.session.check_open()?;
        check_key(stream)?;
        let parts = query",
        "check_key(stream)?;
        let parts = query"),
    patch("waits_on_after_closing", &["G-75"], "() = self.session.closed() => {}",
        "() = std::future::pending() => {}"),
    patch("compares_sizes_before_arguments", &["G-15"], ARGUMENTS,
        "for event in &events {
            check_size(event.size(), self.space.capabilities.max_event)?;
        }
        check_append(stream, &events, &self.space.capabilities)?;"),
    patch("ignores_no_stream", &["E-7"], EXPECTED,
        "if expected != crate::ExpectedVersion::NoStream {
                    expected.check(stream, known.last)?;
                }"),
    patch("ignores_exists", &["E-8"], EXPECTED_MISSING,
        "if expected != crate::ExpectedVersion::Exists {
                    expected.check(stream, 0)?;
                }"),
    patch("ignores_exact", &["E-9"], EXPECTED,
        "if !matches!(expected, crate::ExpectedVersion::Exact(1..)) {
                    expected.check(stream, known.last)?;
                }"),
    patch("ignores_exact_zero", &["E-10"], EXPECTED,
        "if expected != crate::ExpectedVersion::Exact(0) {
                    expected.check(stream, known.last)?;
                }"),
    patch("takes_exact_for_at_least", &["E-9"], EXPECTED,
        "if !matches!(expected, crate::ExpectedVersion::Exact(n) if n > 0 && n <= known.last) {
                    expected.check(stream, known.last)?;
                }"),
    patch("refuses_any_on_a_missing_stream", &["E-6"], EXPECTED_MISSING,
        "expected.check(stream, 0)?;
                if expected == crate::ExpectedVersion::Any {
                    return Err(Error::conflict(stream, crate::Current::Absent));
                }"),
    patch("burns_a_number_on_refusal", &["E-11"], EXPECTED,
        r#"if let Err(refused) = expected.check(stream, known.last) {
                    let kept = self.streams.get_mut(stream).expect("just found");
                    kept.last += 1;
                    return Err(refused);
                }"#),
    patch("uses_the_append_id_up_on_refusal", &["E-20"], EXPECTED,
        r#"if let Err(refused) = expected.check(stream, known.last) {
                    let kept = self.streams.get_mut(stream).expect("just found");
                    let appended = Appended { first: kept.last + 1, last: kept.last + 1, position: self.last };
                    let known = Known { content: Vec::new(), appended, until: stamp.now.after(APPEND_ID_RETENTION) };
                    kept.appends.insert(append_id, known);
                    return Err(refused);
                }"#),
    patch("raises_the_mark_on_refusal", &["E-24"], EXPECTED,
        r#"if let Err(refused) = expected.check(stream, known.last) {
                    let kept = self.streams.get_mut(stream).expect("just found");
                    if let Some(token) = fenced_by {
                        kept.mark = Some(Mark { token, until: stamp.now.after(fence_retention) });
                    }
                    return Err(refused);
                }"#),
    patch("names_the_version_that_was_expected", &["G-47"], EXPECTED,
        "if let Err(refused) = expected.check(stream, known.last) {
                    let crate::ExpectedVersion::Exact(n) = expected else { return Err(refused) };
                    return Err(Error::conflict(stream, crate::Current::Stream(n)));
                }"),
    patch("tells_a_mismatch_as_a_transport_error", &["G-45"], EXPECTED,
        "if expected.check(stream, known.last).is_err() {
                    let outcome = crate::Outcome::NotApplied;
                    return Err(Error::Unavailable { outcome, source: None });
                }"),
    patch("appends_before_it_refuses", &["E-11"], EXPECTED_MISSING,
        "if let Err(refused) = expected.check(stream, 0) {
                    self.streams.insert(stream.into(), Stream { last: 1, first: 2, ..Stream::new(stream) });
                    return Err(refused);
                }"),
    patch("forgets_append_ids", &["E-15"], "kept.appends.insert(append_id, Known { content, appended, until: stamp.now.after(APPEND_ID_RETENTION) });",
        "let _: Vec<(Arc<str>, Bytes)> = content;"),
    patch("remembers_the_last_append_id_only", &["E-22"], "kept.appends.insert(append_id, Known { content",
        "kept.appends.clear();
        kept.appends.insert(append_id, Known { content"),
    patch("forgets_append_ids_at_truncation", &["E-22"], "known.appended.first >= first || now < known.until",
        "known.appended.first >= first"),
    patch("knows_append_ids_across_streams", &["E-21"], "let version = match self.streams.get(stream) {",
        "if let Some(answer) = self.streams.values().find_map(|known| known.repeated(append_id, events)) {
            return answer;
        }
        let version = match self.streams.get(stream) {"),
    patch("looks_the_id_up_after_the_expected_version", &["E-18"], LOOK_UP,
        "known.check_fence(fenced_by, stamp.now)?;
                expected.check(stream, known.last)?;
                if let Some(answer) = known.repeated(append_id, events) {
                    return answer;
                }"),
    patch("looks_the_id_up_after_the_fence", &["E-18"], LOOK_UP,
        "known.check_fence(fenced_by, stamp.now)?;
                if let Some(answer) = known.repeated(append_id, events) {
                    return answer;
                }"),
    patch("answers_a_repeat_with_the_end_of_the_stream", &["E-15"], LOOK_UP,
        "if let Some(answer) = known.repeated(append_id, events) {
                    let count = events.len() as u64 - 1;
                    return answer.map(|_| Appended { first: known.last - count, last: known.last, position: self.last });
                }"),
    patch("raises_the_mark_on_a_repeat", &["E-24"], LOOK_UP,
        r#"if let Some(answer) = known.repeated(append_id, events) {
                    let kept = self.streams.get_mut(stream).expect("just found");
                    if let Some(token) = fenced_by {
                        kept.mark = Some(Mark { token, until: stamp.now.after(fence_retention) });
                    }
                    return answer;
                }"#),
    patch("compares_append_ids_only", &["E-17"], SAME,
        "let same = known.content.is_empty() || given.count() > 0;"),
    patch("compares_the_number_of_events_only", &["E-17"], SAME,
        "let same = known.content.len() == given.count();"),
    patch("compares_data_without_types", &["E-16"], SAME,
        "let same = known.content.iter().map(|(_, data)| data).eq(given.map(|(_, data)| data));"),
    patch("compares_types_without_data", &["E-16"], SAME,
        "let same = known.content.iter().map(|(event_type, _)| &**event_type).eq(given.map(|(event_type, _)| event_type));"),
    patch("compares_without_order", &["E-16"], SAME,
        "let mut given: Vec<_> = given.collect();
        let mut kept: Vec<_> = known.content.iter().map(|(event_type, data)| (&**event_type, data)).collect();
        kept.sort();
        given.sort();
        let same = kept == given;"),
    patch("compares_all_bytes_joined", &["E-16"], SAME,
        "let joined = |parts: &mut dyn Iterator<Item = (&str, &Bytes)>| {
            parts.flat_map(|(event_type, data)| [event_type.as_bytes(), data].concat()).collect::<Vec<u8>>()
        };
        let kept = &mut known.content.iter().map(|(event_type, data)| (&**event_type, data));
        let same = joined(kept) == joined(&mut { given });"),
    patch("counts_metadata_as_content", &["E-16"], SAME,
        "let same = known.content.iter().map(|(event_type, data)| (&**event_type, data)).eq(given) && events.iter().all(|event| event.metadata.is_empty());"),
    patch("shows_a_value_in_an_error", &["G-51"], "Error::AppendIdReused { stream: (&*self.name).into() }",
        "Error::AppendIdReused { stream: String::from_utf8_lossy(&events[0].data).into() }"),
    patch("ignores_the_fence", &["E-23"], "if given < mark.token && !forgotten {",
        "if given < mark.token && forgotten {"),
    patch("fences_off_its_own_holder", &["E-23"], "if given < mark.token && !forgotten {",
        "if given <= mark.token && !forgotten {"),
    patch("checks_the_fence_after_the_expected_version", &["E-23"], "known.check_fence(fenced_by, stamp.now)?;
                expected.check(stream, known.last)?;",
        "expected.check(stream, known.last)?;
                known.check_fence(fenced_by, stamp.now)?;"),
    patch("clears_the_mark_on_an_unfenced_append", &["E-24"], "if let Some(token) = fenced_by {
            kept.mark = Some(Mark { token, until: stamp.now.after(fence_retention) });
        }",
        "kept.mark = fenced_by.map(|token| Mark { token, until: stamp.now.after(fence_retention) });"),
    patch("forgets_the_mark_at_truncation", &["E-54"], TRUNCATED,
        "kept.first = first;
        kept.mark = None;"),
    patch("denies_fencing_and_takes_tokens", &["E-55", "G-44"], "fencing: true,",
        "fencing: false,"),
    patch("stores_half_of_an_append", &["E-2"], "(appended.first..).zip(events) {",
        "(appended.first..).zip(&events[..events.len().div_ceil(2)]) {"),
    patch("stores_an_append_backwards", &["E-2"], "(appended.first..).zip(events) {",
        "(appended.first..).zip(events.iter().rev()) {"),
    patch("skips_a_version", &["E-3"], "let appended = Appended { first: version + 1, last: version + events.len() as u64,",
        "let version = version + u64::from(version % 7 == 6);
        let appended = Appended { first: version + 1, last: version + events.len() as u64,"),
    patch("answers_the_position_before", &["E-1"], "last: version + events.len() as u64, position: last };",
        "last: version + events.len() as u64, position: last.before() };"),
    patch("loses_metadata", &["E-5"], "metadata: event.metadata.clone(),",
        "metadata: Bytes::new(),"),
    patch("gives_events_other_ids", &["E-5", "E-37"], "id: event.id,",
        "id: crate::EventId::from_bytes([7; 16]),"),
    patch("cuts_data_at_nul", &["E-5", "G-10"], "data: event.data.clone(),",
        "data: event.data.slice(..event.data.iter().position(|byte| *byte == 0).unwrap_or(event.data.len())),"),
    patch("reads_a_missing_stream_as_a_conflict", &["E-27"], "Ok(self.space.log().read(stream, parts))",
        "let slice = self.space.log().read(stream, parts);
        if slice.last == 0 {
            return Err(Error::conflict(stream, crate::Current::Absent));
        }
        Ok(slice)"),
    patch("reads_exclusively", &["E-25"], "kept.positions.range(from..)",
        "kept.positions.range(from.saturating_add(1)..)"),
    patch("reads_backwards_from_the_end", &["E-25", "E-26"], "kept.positions.range(..=from)",
        "kept.positions.range(..=from.max(kept.last))"),
    patch("reads_backwards_rising", &["E-26"], "kept.positions.range(..=from).rev().take(limit)",
        "kept.positions.range(..=from).take(limit)"),
    patch("tells_the_end_of_the_page_as_that_of_the_stream", &["E-52"], "StreamSlice { events, first: kept.first, last: kept.last }",
        "let last = kept.last.min(from.saturating_add(limit as u64 - 1));
        StreamSlice { events, first: kept.first, last }"),
    patch("takes_any_limit", &["E-28"], "let limit = check_limit(limit)?;",
        "let limit = check_limit(limit).unwrap_or(100);"),
    patch("reads_the_global_order_inclusively", &["E-29"], "Bound::Excluded(after)",
        "Bound::Included(after)"),
    patch("skips_an_event_between_pages", &["E-34"], "Some(event) if events.len() == limit => event.position,",
        "Some(event) if events.len() == limit => Position::from_u128(event.position.to_u128() + 1),"),
    patch("steps_over_what_comes_next", &["E-31"], "_ => after.max(self.last),",
        "_ => after.max(Position::from_u128(self.last.to_u128() + 1)),"),
    patch("loses_an_event_under_a_slow_writer", &["E-31", "E-32"], STEP,
        "let appended = self.space.append(stream, &events, parts)?;
        // The position is taken, and the events appear only later.
        let slow: Vec<Recorded> = {
            let mut log = self.space.log();
            let first = appended.position.to_u128() + 1 - events.len() as u128;
            (first..=appended.position.to_u128()).filter_map(|p| log.order.remove(&Position::from_u128(p))).collect()
        };
        tokio::time::sleep(Duration::from_millis(3)).await;
        let mut log = self.space.log();
        slow.into_iter().for_each(|event| drop(log.order.insert(event.position, event)));
        Ok(appended)
    }

    async fn read("),
    patch("checks_the_expected_version_in_another_step", &["E-12"], STEP,
        "let seen = self.space.log().streams.get(stream).map_or(0, |kept| kept.last);
        parts.expected.check(stream, seen)?;
        tokio::task::yield_now().await;
        let parts = AppendParts { expected: crate::ExpectedVersion::Any, ..parts };
        self.space.append(stream, &events, parts)
    }

    async fn read("),
    patch("looks_the_id_up_in_another_step", &["E-19"], STEP,
        "let known = self.space.log().streams.get(stream).and_then(|kept| kept.repeated(parts.append_id, &events));
        if let Some(answer) = known {
            return answer;
        }
        tokio::task::yield_now().await;
        let mut log = self.space.log();
        if let Some(kept) = log.streams.get_mut(stream) {
            kept.appends.remove(&parts.append_id);
        }
        drop(log);
        self.space.append(stream, &events, parts)
    }

    async fn read("),
    patch("lets_half_an_append_be_seen", &["E-2"], STEP,
        "let (head, tail) = events.split_at(events.len().min(1));
        let appended = self.space.append(stream, head, parts)?;
        if tail.is_empty() {
            return Ok(appended);
        }
        tokio::task::yield_now().await;
        let parts = AppendParts { append_id: AppendId::mint(), expected: crate::ExpectedVersion::Any, ..parts };
        self.space.append(stream, tail, parts).map(|rest| Appended { first: appended.first, ..rest })
    }

    async fn read("),
    patch("wakes_nobody", &["E-35"], WAKE,
        ""),
    patch("wakes_one", &["E-35"], WAKE,
        "self.appended.notify_one();"),
    patch("loses_a_wake_up_between_look_and_wait", &["E-35"], "tokio::select! {
                () = appended => {}",
        "tokio::task::yield_now().await;
            let appended = self.space.appended.notified();
            tokio::select! {
                () = appended => {}"),
    patch("truncates_one_too_many", &["E-38"], "kept.positions.split_off(&version)",
        "kept.positions.split_off(&version.saturating_add(1))"),
    patch("truncates_nothing", &["E-38"], "kept.positions.split_off(&version)",
        "kept.positions.split_off(&version.min(1))"),
    patch("takes_a_lower_truncation_for_a_new_one", &["E-52"], TRUNCATED,
        "kept.first = first.min(version.max(1));"),
    patch("numbers_anew_after_truncation", &["E-39"], TRUNCATED,
        "kept.first = first;
        kept.last = kept.positions.len() as u64;"),
    patch("forgets_an_emptied_stream", &["E-40"], TRUNCATED,
        "if kept.positions.is_empty() {
            self.streams.remove(stream);
            return;
        }
        kept.first = first;"),
    patch("tells_nobody_of_truncation", &["E-53"], "self.truncated = self.truncated.max(Some(position));",
        ""),
    patch("denies_truncation_and_truncates", &["E-43", "G-43"], "truncate: true,",
        "truncate: false,"),
    patch("replaces_a_newer_snapshot", &["E-42"], "if !newer {",
        "if !newer || snapshot.version > 1 {"),
    patch("gives_a_snapshot_another_event", &["E-41"], "self.snapshots.insert(stream.into(), snapshot);",
        "let event = crate::EventId::from_bytes([0; 16]);
            self.snapshots.insert(stream.into(), Snapshot { event, ..snapshot });"),
    patch("takes_a_snapshot_of_version_zero", &["E-56"], "if snapshot.version == 0 {",
        "if snapshot.version == u64::MAX {"),
    patch("takes_a_snapshot_of_any_size", &["E-57"], "check_size(snapshot.data.len(), self.space.capabilities.max_event)?;",
        ""),
    patch("denies_snapshots_and_keeps_them", &["E-43", "G-43"], "snapshots: true,",
        "snapshots: false,"),
];
