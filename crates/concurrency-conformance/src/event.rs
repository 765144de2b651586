//! The cases of `EventStore`.

mod append;
mod bounds;
mod changed;
mod closing;
mod companions;
mod expected;
mod fence;
mod given;
mod global;
mod histories;
mod idempotent;
mod model;
mod projections;
mod races;
mod read;
mod snapshot;
mod truncate;

use self::given::LARGEST_TRIED;

suite! { $ EventStore, event, event_store;
    append {
        answers_where_the_events_went 1 ["E-1"];
        is_all_or_nothing 1 ["E-2"];
        stand_side_by_side_in_request_order 1 ["E-2", "E-33"];
        versions_have_no_gaps 1 ["E-3"];
        of_no_events_is_refused 1 ["E-4"];
        is_read_back_as_it_was_written 1 ["E-5", "G-10", "G-11"];
        stored_events_never_change 1 ["E-44", "E-51"];
        events_have_ids_of_their_own 1 ["E-37"];
        types_at_both_bounds 1 ["E-48"];
        a_dropped_append_happened_or_not 1 ["G-28", "E-2"];
        a_dropped_calls_reply_reaches_nobody_else 1 ["G-29"];
    }
    bounds {
        bad_namespaces_are_refused 1 ["G-1"] if |d| d.backend;
        a_backend_declares_what_its_stores_do 1 ["G-89"] if |d| d.backend;
        names_at_both_bounds 1 ["G-5"];
        bad_names_are_refused 1 ["G-6"];
        names_are_compared_byte_for_byte 1 ["G-7", "G-8"];
        an_event_of_the_largest_size 1 ["G-12"] if |d| d.max_event <= LARGEST_TRIED;
        a_larger_event_is_refused 1 ["G-13", "G-14", "E-49"] if |d| d.max_event <= LARGEST_TRIED;
        as_many_events_as_declared 1 ["E-50"] if |d| d.max_batch_events <= 10_000;
        more_bytes_than_declared_are_refused 1 ["E-50"] if |d| d.max_batch_bytes <= LARGEST_TRIED;
        checks_have_an_order 1 ["G-15", "E-18"];
        limits_of_reading 1 ["E-28"];
        nothing_shows_a_value 1 ["G-51"];
        errors_say_what_happened 1 ["G-48", "G-49"];
    }
    expected {
        any_accepts_everything 1 ["E-6"];
        no_stream_wants_a_fresh_one 1 ["E-7"];
        exists_wants_one_that_was_appended_to 1 ["E-8"];
        exact_wants_the_last_version 1 ["E-9"];
        exact_zero_is_no_stream 1 ["E-10"];
        a_mismatch_burns_no_number 1 ["E-11"];
        a_conflict_names_the_stream_and_what_is_there 1 ["G-45", "G-47"];
    }
    idempotent {
        a_repeat_answers_the_same_and_appends_nothing 1 ["E-15"];
        wherever_the_stream_stands 1 ["E-15"];
        ids_and_metadata_do_not_count 1 ["E-16"];
        other_content_is_refused 1 ["E-16", "E-17"];
        is_looked_up_before_the_expected_version 1 ["E-18"];
        is_looked_up_before_the_fence 1 ["E-18"] if |d| d.fencing;
        a_refused_append_does_not_use_its_id_up 1 ["E-20"];
        a_refusal_on_a_missing_stream_leaves_its_id_free 1 ["E-20"];
        is_valid_for_its_stream 1 ["E-13", "E-21"];
        one_is_minted_where_none_is_given 1 ["E-13"];
        any_128_bits_are_an_id 1 ["E-13", "E-15"];
        many_are_known_at_once 1 ["E-15", "E-22"];
        is_known_after_its_events_were_truncated 1 ["E-22"] if |d| d.truncate;
    }
    fence {
        an_earlier_holder_is_refused 1 ["E-23"] if |d| d.fencing;
        the_fence_comes_before_the_expected_version 1 ["E-23"] if |d| d.fencing;
        without_a_token_nothing_is_checked 1 ["E-24"] if |d| d.fencing;
        only_an_accepted_append_sets_the_mark 1 ["E-24"] if |d| d.fencing;
        a_repeat_does_not_set_the_mark 1 ["E-24"] if |d| d.fencing;
        the_mark_is_the_streams_own 1 ["E-54"] if |d| d.fencing;
        tokens_have_bounds 1 ["L-23", "E-23"] if |d| d.fencing;
        undeclared_it_is_refused 1 ["E-55", "G-44"] if |d| !d.fencing;
    }
    read {
        forwards_is_inclusive 1 ["E-25", "E-52"];
        backwards_is_inclusive_and_falls 1 ["E-25", "E-26", "E-52"];
        pages_meet_both_ways 1 ["E-25", "E-26"];
        a_missing_stream_reads_as_empty 1 ["E-27", "E-52"];
        other_clients_see_it_at_once 1 ["E-1", "E-25"];
    }
    global {
        begins_after_the_position_and_rises 1 ["E-29", "E-30"];
        pages_hold_every_event_exactly_once 1 ["E-33", "E-34"];
        the_end_is_not_the_end_for_ever 1 ["E-31"];
        appends_are_ordered_as_they_were_answered 1 ["E-30", "E-31"];
        a_position_survives_its_text 1 ["E-30"];
        a_forged_position_is_only_a_place 1 ["E-29", "E-30"];
        an_empty_log_begins_at_the_start 1 ["E-29", "E-31"];
        namespaces_see_nothing_of_one_another 1 ["G-2", "G-3", "E-34"];
        other_kinds_of_the_same_name_do_not_collide 1 ["G-4"] if |d| d.backend;
    }
    changed {
        returns_where_there_is_something 1 ["E-35"];
        is_woken_by_an_append 1 ["E-35"];
        all_who_wait_are_woken 1 ["E-35"];
        dropped_it_leaves_nothing 1 ["E-35", "G-28"];
    }
    truncate {
        removes_what_is_below_and_no_other 1 ["E-38", "E-52"] if |d| d.truncate;
        numbers_and_positions_stay 1 ["E-39"] if |d| d.truncate;
        an_emptied_stream_exists_and_keeps_its_version 1 ["E-40"] if |d| d.truncate;
        a_missing_stream_stays_missing 1 ["E-38"] if |d| d.truncate;
        readers_of_the_global_order_are_told 1 ["E-53", "E-31"] if |d| d.truncate;
        undeclared_it_is_refused 1 ["E-43", "G-43"] if |d| !d.truncate;
    }
    snapshot {
        is_loaded_as_it_was_saved 1 ["E-41"] if |d| d.snapshots;
        an_older_one_replaces_nothing 1 ["E-42"] if |d| d.snapshots;
        each_stream_has_its_own 1 ["E-41", "G-2", "G-8"] if |d| d.snapshots;
        a_version_of_zero_is_refused 1 ["E-56"] if |d| d.snapshots;
        a_larger_one_is_refused 1 ["G-12", "G-13", "G-14", "E-57"] if |d| d.snapshots && d.max_event <= LARGEST_TRIED;
        survives_truncation 1 ["E-41"] if |d| d.snapshots;
        undeclared_it_is_refused 1 ["E-43", "G-43"] if |d| !d.snapshots;
    }
    closing {
        every_call_is_closed 1 ["G-75"] if |d| d.backend;
        closing_twice_is_fine 1 ["G-76"] if |d| d.backend;
        a_waiting_call_ends 1 ["G-75", "G-27"] if |d| d.backend;
    }
    companions {
        an_aggregate_is_its_snapshot_and_what_followed 1 ["T-41"] if |d| d.snapshots;
        an_unreadable_snapshot_is_discarded 1 ["T-42"] if |d| d.snapshots;
        a_snapshot_of_other_events_is_discarded 1 ["T-43"] if |d| d.snapshots;
        a_snapshot_stands_in_for_truncated_events 1 ["T-44", "T-56"] if |d| d.snapshots && d.truncate;
        older_events_are_upcast 1 ["T-45", "E-44"];
        execute_decides_at_the_loaded_version 2 ["T-46"];
        execute_without_events_appends_nothing 1 ["T-47"];
        a_panicking_decider_appends_nothing 1 ["T-46", "G-28"];
        undecodable_events_are_an_error_and_stay 1 ["T-3", "T-5"];
        the_past_then_caught_up_then_live 1 ["T-48", "T-49"];
        resuming_misses_nothing 1 ["T-51", "T-54"];
        a_dropped_next_loses_nothing 1 ["T-53"];
        a_log_without_the_checkpoint_was_rewound 1 ["T-54"];
        a_truncated_checkpoint_is_exempt 1 ["T-55"] if |d| d.truncate;
    }
    projections {
        follow_and_resume 1 ["T-52", "T-57"];
        rebuild_from_the_first_event 1 ["T-60"];
        meet_and_double_nothing 2 ["T-52", "T-58"];
    }
    races {
        one_of_many_wins_a_version 2 ["E-12", "E-3"];
        under_one_id_one_appends_and_all_get_its_result 2 ["E-19", "E-18"];
        under_one_id_one_content_wins 2 ["E-17", "E-19"];
        readers_step_over_nothing 2 ["E-31", "E-32", "E-33", "E-34"];
        half_an_append_is_never_seen 2 ["E-2"];
        no_wake_up_is_lost 2 ["E-35"];
        holders_are_fenced_in_order 2 ["E-23"] if |d| d.fencing;
        truncation_meets_appends 2 ["E-38", "E-39"] if |d| d.truncate;
    }
    model {
        every_outcome_is_that_of_the_model 3 [
            "E-1", "E-2", "E-3", "E-4", "E-5", "E-6", "E-7", "E-8", "E-9", "E-10", "E-11", "E-15", "E-16", "E-17",
            "E-18", "E-20", "E-21", "E-23", "E-24", "E-25", "E-26", "E-27", "E-28", "E-29", "E-34", "E-38", "E-39",
            "E-40", "E-41", "E-42", "E-52",
        ];
    }
    histories {
        streams_are_linearizable 4 ["E-1", "E-2", "E-3", "E-7", "E-8", "E-9", "E-11", "E-12", "E-25"];
        repeated_appends_are_linearizable 4 ["E-15", "E-17", "E-18", "E-19", "E-20"];
        the_global_order_has_no_gaps 4 ["E-29", "E-31", "E-32", "E-33", "E-34"];
    }
}
