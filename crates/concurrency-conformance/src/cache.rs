//! The cases of `Cache`.

mod basic;
mod closing;
mod expiry;
mod fixture;
mod freshness;
mod histories;
mod keys;
mod model;
mod races;
mod tickets;
mod typed;
mod values;

use concurrency_core::Ttl;

use self::fixture::{LARGEST_TRIED, has_lifetimes};

suite! { $ Cache, cache, cache;
    keys {
        keys_at_both_bounds_are_accepted 1 ["G-5"];
        bad_keys_are_refused_by_every_call_of_one_key 1 ["G-6"];
        bad_keys_are_refused_by_the_calls_of_tickets 1 ["G-6"] if |d| d.tickets;
        a_bad_key_refuses_a_whole_read_or_removal 1 ["G-6"];
        a_bad_key_refuses_its_own_entry 1 ["G-6", "C-38"];
        any_characters_make_a_key 1 ["G-7"];
        twins_are_different_keys 1 ["G-8", "G-7"];
        twins_have_their_own_tickets 1 ["G-8", "C-16"] if |d| d.tickets;
        bad_namespaces_are_refused 1 ["G-1"] if |d| d.backend;
        all_allowed_namespaces_work 1 ["G-1"];
        namespaces_share_no_keys 1 ["G-2"];
        namespaces_share_no_tickets 1 ["G-2", "C-40"] if |d| d.tickets;
        no_namespace_and_key_make_those_of_another 1 ["G-2"];
        namespaces_are_compared_byte_for_byte 1 ["G-3", "C-10"];
        other_components_of_one_name_do_not_collide 1 ["G-4", "C-10"] if |d| d.backend;
    }
    values {
        bytes_come_back_as_written 1 ["G-10"];
        an_empty_value_is_present 1 ["G-11"];
        the_largest_value_fits 1 ["G-12"] if |d| d.max_value <= LARGEST_TRIED;
        a_larger_value_is_refused_and_the_old_one_stays 1 ["G-13", "G-14", "C-38"] if |d| d.max_value <= LARGEST_TRIED;
        a_larger_value_fills_nothing 1 ["G-13", "G-14"] if |d| d.tickets && d.max_value <= LARGEST_TRIED;
        the_first_failed_check_is_reported 1 ["G-15"];
        refusals_were_not_applied_and_say_so 1 ["G-48", "G-49"];
        no_value_or_ticket_shows_in_errors_or_debug 1 ["G-51"];
    }
    expiry {
        bad_lifetimes_are_refused 1 ["G-16"];
        a_lifetime_beyond_the_longest_is_refused 1 ["G-88"] if |d| d.max_ttl.is_some_and(|ttl| ttl < Ttl::MAX);
        an_undeclared_lifetime_is_unsupported 1 ["G-88", "G-44"] if |d| d.max_ttl.is_none();
        a_lifetime_below_a_millisecond_is_one 1 ["G-17"] if |d| has_lifetimes(d);
        long_lifetimes_are_accepted 1 ["G-16", "C-6"] if |d| has_lifetimes(d);
        nothing_expires_early_or_lives_long 1 ["G-18", "G-19", "G-20", "C-35"] if |d| has_lifetimes(d);
        a_value_that_is_answered_has_some_time_left 1 ["G-21", "C-3"] if |d| has_lifetimes(d) && d.remaining;
        an_expired_value_is_missing_everywhere 1 ["G-24", "G-23", "C-8"] if |d| has_lifetimes(d);
        an_expired_value_can_be_reserved 1 ["G-24", "C-16"] if |d| has_lifetimes(d) && d.tickets;
        the_default_lifetime_is_the_declared_one 1 ["C-6", "C-36"];
        a_set_replaces_the_lifetime 1 ["C-6", "C-35"] if |d| has_lifetimes(d);
        each_entry_of_a_batch_gets_the_lifetime 1 ["C-6", "C-7"] if |d| has_lifetimes(d);
        a_fill_gives_its_lifetime 1 ["C-6", "G-19", "G-20"] if |d| has_lifetimes(d) && d.tickets;
        what_is_left_of_a_lifetime_shrinks 1 ["C-3"] if |d| has_lifetimes(d) && d.remaining;
        what_is_left_is_not_told_where_it_is_not_declared 1 ["G-43"] if |d| !d.remaining;
        what_expired_does_not_come_back 1 ["G-25"] if |d| has_lifetimes(d);
    }
    basic {
        get_answers_what_was_set 1 ["C-1"];
        get_many_answers_in_request_order 1 ["C-2"];
        contains_answers_whether_there_is_a_value 1 ["C-5"];
        set_many_answers_in_request_order 1 ["C-7", "C-38"];
        a_repeated_key_refuses_the_whole_batch 1 ["C-37"];
        remove_answers_whether_there_was_a_value 1 ["C-8"];
        remove_many_answers_how_many_there_were 1 ["C-8"];
        remove_many_does_not_count_what_expired 1 ["C-8", "G-24"] if |d| has_lifetimes(d);
        clear_empties_the_namespace 1 ["C-9"];
        clear_leaves_other_namespaces 1 ["C-10"];
        bounds_are_declared 1 ["C-36"];
        a_backend_declares_what_its_caches_do 1 ["C-36", "G-89"] if |d| d.backend;
    }
    freshness {
        after_a_set_no_client_gets_an_older_value 1 ["C-11", "C-1"];
        after_a_removal_no_client_gets_the_old_value 1 ["C-12"];
        after_a_clear_no_client_gets_an_old_value 1 ["C-13", "C-29"];
        no_clear_revives_what_an_earlier_one_removed 1 ["C-13", "C-26"];
        every_caller_gets_its_own_answer 1 ["G-29"];
    }
    tickets {
        a_stored_value_is_a_hit 1 ["C-15"] if |d| d.tickets;
        one_caller_gets_the_ticket 1 ["C-16"] if |d| d.tickets;
        a_reserved_key_holds_nothing 1 ["C-16", "C-8"] if |d| d.tickets;
        a_fill_sets_the_value_once 1 ["C-18", "C-19"] if |d| d.tickets;
        a_ticket_is_known_to_the_server 1 ["C-18"] if |d| d.tickets;
        a_reservation_ends_after_its_hold 1 ["C-17", "C-23"] if |d| d.tickets;
        a_fill_after_its_hold_is_refused 1 ["C-17", "C-18"] if |d| d.tickets;
        a_fill_after_a_removal_is_refused 1 ["C-20"] if |d| d.tickets;
        a_fill_after_a_clear_is_refused 1 ["C-21"] if |d| d.tickets;
        a_clear_elsewhere_leaves_a_ticket 1 ["C-10", "C-18"] if |d| d.tickets;
        a_fill_after_a_set_is_refused 1 ["C-22"] if |d| d.tickets;
        writes_of_other_keys_leave_a_ticket 1 ["C-16", "C-18"] if |d| d.tickets;
        a_forged_ticket_fills_nothing 1 ["C-40", "C-18"] if |d| d.tickets;
        a_bad_hold_is_refused 1 ["C-39"] if |d| d.tickets;
        waiting_ends_with_the_reservation 1 ["C-25"] if |d| d.tickets;
        waiting_ends_when_a_reservation_lapses 1 ["C-25", "C-17"] if |d| d.tickets;
        tickets_are_refused_where_they_are_not_declared 1 ["G-43"] if |d| !d.tickets;
    }
    closing {
        every_call_after_close_is_closed 1 ["G-75"] if |d| d.backend;
        closing_twice_is_fine 1 ["G-76"] if |d| d.backend;
        a_dropped_call_leaves_nothing_behind 1 ["G-28", "G-29"];
        a_dropped_loader_is_in_nobodys_way 1 ["G-28", "C-17"] if |d| d.tickets;
    }
    typed {
        a_loader_is_polled_on_a_miss_only 1 ["T-13", "T-40", "T-1", "T-2"];
        one_load_for_all_callers_of_a_process 1 ["T-14", "T-16"];
        one_load_for_all_processes 1 ["T-15"] if |d| d.tickets;
        a_loaders_error_reaches_all_and_nobody_waits_for_it 1 ["T-16", "T-18"];
        a_dropped_leader_hands_over 1 ["T-17"];
        the_near_tier_is_never_older_than_it_says 1 ["T-20"];
        an_old_value_is_served_if_the_loader_fails 1 ["T-21", "T-22"] if |d| has_lifetimes(d) && d.remaining;
        jitter_only_shortens 1 ["T-23"] if |d| has_lifetimes(d) && d.remaining;
        bytes_of_another_kind_are_an_error_and_stay 1 ["T-3", "T-5"];
        what_cannot_be_written_is_not_sent 1 ["T-4"];
        a_bad_key_polls_no_loader 1 ["G-6", "T-13"];
    }
    races {
        no_read_after_a_set_is_stale 2 ["C-11"];
        no_load_puts_back_what_a_removal_overtook 2 ["C-12", "C-20"] if |d| d.tickets;
        no_load_puts_back_what_a_clear_overtook 2 ["C-13", "C-21"] if |d| d.tickets;
        one_of_many_gets_the_ticket 2 ["C-16"] if |d| d.tickets;
        a_fill_never_outlives_a_removal_beside_it 2 ["C-18", "C-20", "C-21"] if |d| d.tickets;
        a_fill_never_replaces_a_set_beside_it 2 ["C-18", "C-22"] if |d| d.tickets;
        answers_are_not_mixed_up 2 ["G-29", "C-2", "C-7"];
        no_typed_read_after_a_removal_is_stale 2 ["T-20", "C-12"];
    }
    model {
        random_calls_answer_as_the_model_does 3 ["C-1", "C-2", "C-5", "C-7", "C-8", "C-9", "C-16", "C-18", "C-37"];
    }
    histories {
        reads_are_never_stale 4 ["C-1", "C-8", "C-9", "C-11", "C-12", "C-13", "G-24"];
        tickets_are_linearizable 4 ["C-15", "C-16", "C-18", "C-19", "C-20", "C-21", "C-22", "C-23"] if |d| d.tickets;
    }
}
