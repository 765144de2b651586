//! The cases of `StateStore`.

mod bulk;
mod closing;
mod commits;
mod conditions;
mod expiry;
mod fences;
mod fixture;
mod histories;
pub(crate) mod inputs;
mod keys;
mod listing;
mod model;
mod races;
mod reading;
mod typed;
mod values;

use concurrency_core::Ttl;

use self::{
    bulk::{LARGEST_BATCH, LARGEST_SUM},
    values::LARGEST_TRIED,
};

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
        a_backend_declares_what_its_stores_do 1 ["G-89"] if |d| d.backend;
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
    expiry {
        an_impossible_lifetime_is_refused 1 ["G-16"];
        an_impossible_lifetime_refuses_a_whole_commit 1 ["G-16", "S-34"] if |d| d.commit;
        a_lifetime_beyond_the_longest_is_refused 1 ["G-88"] if |d| d.max_ttl.is_some_and(|ttl| ttl < Ttl::MAX);
        an_undeclared_lifetime_is_unsupported 1 ["G-88", "G-44"] if |d| d.max_ttl.is_none();
        all_possible_lifetimes_are_kept 1 ["G-16", "G-20", "S-1"] if |d| d.max_ttl.is_some();
        what_a_coarse_clock_makes_of_lifetimes_is_declared 1 ["G-18"] if |d| d.max_ttl.is_some();
        nothing_expires_early 1 ["G-19"] if |d| d.max_ttl.is_some();
        nothing_outlives_its_lifetime 1 ["G-20"] if |d| d.max_ttl.is_some();
        below_a_millisecond_is_a_millisecond 1 ["G-17"] if |d| d.max_ttl.is_some();
        at_the_deadline_it_is_expired 1 ["G-21", "G-19"] if |d| d.max_ttl.is_some();
        an_expired_key_is_missing_to_every_method 1 ["G-24"] if |d| d.max_ttl.is_some();
        an_expired_key_is_not_listed 1 ["G-24", "S-40"] if |d| d.list && d.max_ttl.is_some();
        an_expired_key_is_missing_to_a_commit 1 ["G-24", "S-36"] if |d| d.commit && d.max_ttl.is_some();
        a_plain_save_makes_permanent 1 ["S-25"] if |d| d.max_ttl.is_some();
        a_new_lifetime_replaces_the_old_one 1 ["S-26"] if |d| d.max_ttl.is_some();
        keep_ttl_keeps_what_remains 1 ["S-27"] if |d| d.max_ttl.is_some();
        keep_ttl_of_nothing_is_permanent 1 ["S-27"] if |d| d.max_ttl.is_some();
        a_refused_save_leaves_the_lifetime 1 ["S-11", "S-25"] if |d| d.max_ttl.is_some();
        each_entry_of_a_save_many_has_its_own_lifetime 1 ["S-26", "S-31"] if |d| d.max_ttl.is_some();
        a_call_judges_expiry_at_one_instant 1 ["G-23"] if |d| d.commit && d.snapshot_reads && d.max_ttl.is_some();
        sweeping_changes_no_answer 1 ["G-25", "S-52"] if |d| d.max_ttl.is_some();
    }
    bulk {
        a_repeated_key_refuses_a_delete_many 1 ["S-28"];
        a_repeated_key_refuses_every_entry_of_a_save_many 1 ["S-29"];
        save_many_answers_in_request_order 1 ["S-31"];
        each_entry_of_a_save_many_is_applied_on_its_own 1 ["S-31"];
        a_save_many_keeps_each_rule_of_a_save 1 ["S-31", "S-6", "S-15"];
        too_many_keys_are_refused 1 ["S-32"] if |d| d.max_batch_keys <= LARGEST_BATCH;
        as_many_keys_as_declared_are_accepted 1 ["S-32"] if |d| d.max_batch_keys <= LARGEST_BATCH;
        too_many_bytes_together_are_refused 1 ["S-32"] if |d| d.max_batch_bytes <= LARGEST_SUM;
    }
    commits {
        a_commit_applies_all_its_writes 1 ["S-34", "S-35"] if |d| d.commit;
        a_commit_applies_none_if_one_fails 1 ["S-34"] if |d| d.commit;
        a_commit_gives_one_version_to_all 1 ["S-35"] if |d| d.commit;
        the_version_of_a_commit_is_good_for_the_next 1 ["S-35", "S-14"] if |d| d.commit;
        a_check_leaves_its_key_alone 1 ["S-37"] if |d| d.commit;
        a_failed_check_refuses_the_commit 1 ["S-36"] if |d| d.commit;
        a_refused_commit_names_the_first_failed_key 1 ["S-38"] if |d| d.commit;
        a_refused_commit_names_the_first_failed_key_among_fences 1 ["S-38", "S-48"] if |d| d.commit && d.fencing;
        a_repeated_key_refuses_a_commit 1 ["S-28"] if |d| d.commit;
        a_commit_of_nothing_is_refused 1 ["S-34", "S-23"] if |d| d.commit;
        a_commit_sets_lifetimes_as_a_save_does 1 ["S-25", "S-26", "S-27"] if |d| d.commit && d.max_ttl.is_some();
        too_large_a_commit_is_refused 1 ["S-32"] if |d| d.commit && d.max_batch_keys <= LARGEST_BATCH;
        too_many_bytes_in_a_commit_are_refused 1 ["S-32"] if |d| d.commit && d.max_batch_bytes <= LARGEST_SUM;
        an_undeclared_commit_is_unsupported 1 ["G-43"] if |d| !d.commit;
    }
    listing {
        keys_are_listed_with_their_versions 1 ["S-40"] if |d| d.list;
        keys_come_in_byte_order 1 ["S-40"] if |d| d.list;
        a_prefix_is_literal 1 ["S-41"] if |d| d.list;
        bad_queries_are_refused 1 ["S-42"] if |d| d.list;
        a_page_has_a_hundred_keys_unless_told 1 ["S-42", "S-43"] if |d| d.list;
        pages_show_every_key_once 1 ["S-43", "S-44"] if |d| d.list;
        a_listing_goes_on_after_any_key 1 ["S-43"] if |d| d.list;
        only_next_none_ends_a_listing 1 ["S-45"] if |d| d.list;
        deleted_keys_are_not_listed 1 ["S-40", "S-19"] if |d| d.list;
        the_expired_do_not_hide_the_living 1 ["S-43", "S-45"] if |d| d.list && d.max_ttl.is_some();
        keys_that_stay_are_listed_once_whatever_comes_and_goes 1 ["S-43", "S-44"] if |d| d.list;
        an_undeclared_list_is_unsupported 1 ["G-43"] if |d| !d.list;
    }
    fences {
        tokens_are_accepted_where_they_belong 1 ["S-46"] if |d| d.fencing;
        a_commit_is_fenced_key_by_key 1 ["S-46"] if |d| d.fencing && d.commit;
        a_token_out_of_bounds_is_refused 1 ["S-46", "S-50"] if |d| d.fencing;
        a_save_below_the_mark_is_fenced 1 ["S-47"] if |d| d.fencing;
        a_delete_below_the_mark_is_fenced 1 ["S-47"] if |d| d.fencing;
        a_commit_below_a_mark_is_fenced 1 ["S-47", "S-34"] if |d| d.fencing && d.commit;
        the_fence_comes_before_the_precondition 1 ["S-48"] if |d| d.fencing;
        the_fence_comes_before_the_precondition_in_a_commit 1 ["S-48"] if |d| d.fencing && d.commit;
        at_or_above_the_mark_the_precondition_decides 1 ["S-49"] if |d| d.fencing;
        a_refused_write_leaves_the_mark 1 ["S-50"] if |d| d.fencing;
        a_refused_commit_leaves_the_marks 1 ["S-50"] if |d| d.fencing && d.commit;
        a_write_without_a_token_is_not_checked_and_leaves_the_mark 1 ["S-51"] if |d| d.fencing;
        the_mark_outlives_a_delete 1 ["S-52"] if |d| d.fencing;
        the_mark_outlives_a_delete_in_a_commit 1 ["S-52"] if |d| d.fencing && d.commit;
        the_mark_outlives_expiry 1 ["S-52"] if |d| d.fencing && d.max_ttl.is_some();
        the_mark_outlives_replacement 1 ["S-52"] if |d| d.fencing;
        fence_raises_marks_without_a_value 1 ["S-54", "S-55"] if |d| d.fencing;
        fence_is_idempotent_and_never_lowers 1 ["S-56"] if |d| d.fencing;
        fence_below_a_mark_is_fenced 1 ["S-71", "S-56"] if |d| d.fencing;
        a_bad_fence_is_refused 1 ["S-54"] if |d| d.fencing;
        a_mark_is_kept_for_its_retention 1 ["S-53"] if |d| d.fencing && d.can_wait(d.fence_retention * 2);
        undeclared_fencing_is_unsupported 1 ["S-59", "G-44"] if |d| !d.fencing;
    }
    closing {
        every_call_after_close_is_closed 1 ["G-75"] if |d| d.backend;
        closing_twice_is_fine 1 ["G-76"] if |d| d.backend;
        a_dropped_call_leaves_nothing_behind 1 ["G-28", "G-29"];
    }
    typed {
        values_are_stored_as_json 1 ["T-1"];
        what_is_saved_is_loaded 1 ["T-2"];
        undecodable_bytes_are_an_error_and_stay 1 ["T-3"];
        unencodable_values_are_not_sent 1 ["T-4"];
        codec_errors_quote_no_value 1 ["T-5", "G-51"];
        update_starts_again_from_what_is_there 1 ["T-6", "T-8"];
        update_ends_at_its_deadline 2 ["T-7", "T-40"];
        update_saves_deletes_or_keeps 1 ["T-9"];
        update_may_refuse_and_be_fenced 1 ["T-9", "S-47"];
        update_keeps_the_lifetime_unless_told_otherwise 1 ["T-10"] if |d| d.max_ttl.is_some();
        a_panicking_closure_leaves_nothing_locked 1 ["G-28", "T-6"];
        views_of_one_store_share_a_commit 1 ["T-12"] if |d| d.commit;
        a_view_counts_what_it_does 1 ["T-40"];
    }
    races {
        no_update_by_compare_and_swap_is_lost 2 ["S-17"];
        one_of_many_creates 2 ["S-18"];
        one_of_many_replaces 2 ["S-17"];
        one_of_many_deletes_or_replaces 2 ["S-17", "S-21"];
        commits_in_any_order_conserve_the_sum 2 ["S-34", "S-39"] if |d| d.commit;
        load_many_sees_all_of_a_commit_or_nothing 2 ["S-5", "S-34"] if |d| d.commit && d.snapshot_reads;
        a_check_keeps_what_it_checked_from_changing 2 ["S-36"] if |d| d.commit;
        pages_are_whole_under_concurrent_writes 2 ["S-43", "S-44"] if |d| d.list;
        tokens_never_go_back 2 ["S-47", "S-48"] if |d| d.fencing;
        concurrent_updates_lose_nothing 2 ["T-6"];
    }
    model {
        random_operations_agree_with_memory 3 [
            "S-69", "S-1", "S-2", "S-7", "S-8", "S-10", "S-11", "S-12", "S-13", "S-14", "S-15", "S-16", "S-19", "S-20",
            "S-21", "S-22", "S-23", "S-24", "S-28", "S-29", "S-31", "S-34", "S-36", "S-38", "S-40", "S-41", "S-47", "S-48",
            "S-50", "S-51", "S-52", "S-56", "S-71",
        ];
        random_lifetimes_agree_with_memory 3 [
            "S-69", "S-25", "S-26", "S-27", "S-12", "S-13", "S-16", "S-20", "S-22", "S-37", "S-52", "G-19", "G-20", "G-21",
            "G-24", "G-25",
        ] if |d| d.virtual_time && d.max_ttl.is_some();
        random_batches_agree_with_memory 3 ["S-69", "S-2", "S-24", "S-28", "S-29", "S-31", "S-34", "S-35", "S-38", "S-40"];
    }
    histories {
        registers_are_linearizable 4
            ["S-1", "S-7", "S-8", "S-10", "S-11", "S-13", "S-15", "S-16", "S-17", "S-18", "S-19", "S-21"];
        fenced_registers_are_linearizable 4 ["S-47", "S-48", "S-50", "S-51", "S-52", "S-56"] if |d| d.fencing;
        commits_are_linearizable_on_each_key 4 ["S-17", "S-34", "S-36", "S-38", "S-39"] if |d| d.commit;
    }
}
