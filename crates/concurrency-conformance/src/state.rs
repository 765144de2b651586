//! The cases of `StateStore`.

mod conditions;
mod fixture;
mod inputs;
mod keys;
mod reading;
mod values;

use self::values::LARGEST_TRIED;

suite! { $ StateStore, state, state_store;
    keys {
        both_lengths_at_the_bounds_are_accepted 1 ["G-5"];
        bad_keys_are_refused_by_load_save_and_delete 1 ["G-6"];
        a_bad_key_refuses_a_whole_bulk_call 1 ["G-6"];
        a_bad_key_refuses_a_whole_commit 1 ["G-6", "S-34"] if |d| d.commit;
        a_bad_key_refuses_a_fence 1 ["G-6"] if |d| d.fencing;
        a_bad_key_refuses_its_own_entry 1 ["G-6", "S-30"];
        any_characters_make_a_key 1 ["G-7"];
        twins_are_different_keys 1 ["G-8", "G-7"];
        twins_are_listed_apart 1 ["G-8", "S-40"] if |d| d.list;
        twins_have_their_own_marks 1 ["G-8", "S-47"] if |d| d.fencing;
        bad_namespaces_are_refused 1 ["G-1"] if |d| d.backend;
        all_allowed_namespaces_work 1 ["G-1"];
        namespaces_share_no_keys 1 ["G-2"];
        namespaces_share_no_listing 1 ["G-2", "S-40"] if |d| d.list;
        namespaces_share_no_marks 1 ["G-2", "S-47"] if |d| d.fencing;
        no_namespace_and_key_make_those_of_another 1 ["G-2"];
        namespaces_are_compared_byte_for_byte 1 ["G-3"];
        other_clients_see_what_was_saved 1 ["S-7", "S-1"];
        other_components_of_one_name_do_not_collide 1 ["G-4"] if |d| d.backend;
    }
    values {
        bytes_come_back_as_written 1 ["G-10"];
        an_empty_value_is_present 1 ["G-11"];
        the_largest_value_fits 1 ["G-12"] if |d| d.max_value <= LARGEST_TRIED;
        a_larger_value_is_refused_and_the_old_one_stays 1 ["G-13", "G-14"] if |d| d.max_value <= LARGEST_TRIED;
        a_larger_value_refuses_its_own_entry 1 ["G-13", "G-14", "S-30"] if |d| d.max_value <= LARGEST_TRIED;
        a_larger_value_refuses_a_whole_commit 1 ["G-13", "S-34"] if |d| d.commit && d.max_value <= LARGEST_TRIED;
        a_save_reports_the_first_failed_check 1 ["G-15"];
        a_fenced_save_reports_the_first_failed_check 1 ["G-15", "S-48"] if |d| d.fencing;
        a_delete_reports_the_first_failed_check 1 ["G-15"];
        a_commit_reports_the_first_failed_check 1 ["G-15"] if |d| d.commit;
        a_conflict_says_what_is_there_and_not_what_was_expected 1 ["G-47", "G-45"];
        refusals_were_not_applied_and_say_so 1 ["G-48", "G-49"];
        no_value_shows_in_errors_or_debug 1 ["G-51"];
    }
    reading {
        load_answers_value_version_and_lifetime 1 ["S-1", "S-7"];
        a_missing_key_loads_as_none 1 ["S-1"];
        what_is_left_of_a_lifetime_shrinks 1 ["S-1"] if |d| d.max_ttl.is_some();
        load_many_answers_in_request_order 1 ["S-2"];
        load_many_of_nothing_is_nothing 1 ["S-3"];
        load_many_beyond_the_limits_is_split 1 ["S-4"];
        a_save_returns_the_version_that_loads_show 1 ["S-7"];
        no_two_writes_have_one_version 1 ["S-6"];
        versions_differ_between_clients_and_namespaces 1 ["S-6"];
        an_identical_value_gets_another_version 1 ["S-9"];
        a_version_is_dead_after_delete_and_re_creation 1 ["S-8"];
        a_version_is_dead_after_expiry_and_re_creation 1 ["S-6", "S-12"] if |d| d.max_ttl.is_some();
        versions_are_compared_whole 1 ["S-6", "S-15"];
    }
    conditions {
        any_is_never_refused 1 ["S-10"];
        any_over_an_expired_key_succeeds 1 ["S-10", "G-24"] if |d| d.max_ttl.is_some();
        absent_over_a_live_key_is_a_conflict 1 ["S-11"];
        absent_over_a_missing_key_succeeds 1 ["S-12"];
        absent_over_an_expired_key_succeeds 1 ["S-12", "G-24"] if |d| d.max_ttl.is_some();
        present_over_a_live_key_succeeds 1 ["S-13"];
        present_on_a_missing_key_is_a_conflict 1 ["S-13"];
        present_on_an_expired_key_is_a_conflict 1 ["S-13", "G-24"] if |d| d.max_ttl.is_some();
        match_of_the_current_version_succeeds 1 ["S-14"];
        match_of_another_version_is_a_conflict 1 ["S-15"];
        match_on_a_missing_key_is_a_conflict 1 ["S-16"];
        match_on_an_expired_key_is_a_conflict 1 ["S-16", "G-24"] if |d| d.max_ttl.is_some();
        a_delete_leaves_the_key_missing 1 ["S-19"];
        a_delete_of_a_missing_key_is_false 1 ["S-20"];
        a_delete_of_an_expired_key_is_false 1 ["S-20", "G-24"] if |d| d.max_ttl.is_some();
        a_delete_under_another_version_is_a_conflict 1 ["S-21"];
        a_conditional_delete_of_a_missing_key_is_a_conflict 1 ["S-22"];
        a_conditional_delete_of_an_expired_key_is_a_conflict 1 ["S-22", "G-24"] if |d| d.max_ttl.is_some();
        a_delete_under_absent_makes_no_sense 1 ["S-23"];
        delete_many_counts_what_existed 1 ["S-24"];
        delete_many_does_not_count_what_expired 1 ["S-24", "G-24"] if |d| d.max_ttl.is_some();
    }
}
