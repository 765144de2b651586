//! The cases of `Lock`.

mod claims;
mod exclusion;
mod guards;
mod hand_over;
mod histories;
mod inputs;
mod model;
mod race;
mod release;
mod steps;
mod tokens;
mod waiting;

suite! { $ Lock, lock, lock;
    claims {
        a_ttl_below_100_ms_is_refused 1 ["L-1", "L-2"];
        every_claim_has_an_owner_of_its_own 1 ["L-3"];
        try_acquire_never_waits 1 ["L-4"];
        an_attempt_gives_way_to_who_waits 1 ["L-5"] if |d| d.fair;
        the_live_owner_gets_the_same_token_and_more_time 1 ["L-1", "L-6", "L-19"];
        the_live_owner_comes_before_who_waits 1 ["L-6"];
        an_expired_owner_is_a_new_one 1 ["L-7", "L-24"];
        a_released_claim_is_dead 1 ["L-8", "L-68"];
        a_claim_released_before_it_was_sent_is_dead 1 ["L-8", "L-68"];
        an_acquire_goes_on_under_a_fresh_owner 1 ["L-8", "L-9", "L-10"];
    }
    exclusion {
        nobody_else_until_it_expires 1 ["L-11", "G-19", "L-28"];
        an_expired_name_can_be_granted 1 ["L-12", "G-20"];
        it_expires_when_nothing_remains 1 ["G-21", "G-24", "L-12"] if |d| d.inspection;
        a_released_name_can_be_granted 1 ["L-12", "L-59"];
        a_late_holder_cannot_release_its_successor 1 ["L-13", "L-15"];
        a_stranger_cannot_release 1 ["L-13", "L-15"];
        a_late_holder_cannot_renew_its_successor 1 ["L-13", "L-16", "L-20"];
        a_stranger_cannot_renew 1 ["L-13", "L-16"];
        another_token_cannot_release 1 ["L-13", "L-17"];
        another_token_cannot_renew 1 ["L-13", "L-17"];
        an_earlier_grant_of_the_same_owner_is_over 1 ["L-7", "L-17"];
        a_renewal_gives_the_full_ttl_and_never_less 1 ["L-18", "L-19"];
        renewals_that_overtake_each_other_never_shorten 1 ["L-18", "L-19"];
        a_renewal_does_not_revive_what_expired 1 ["L-20", "G-25"];
        a_renewal_does_not_revive_what_another_had_since 1 ["L-21"];
        a_renewal_does_not_revive_what_was_released 1 ["L-8", "L-21"];
        renew_many_answers_each_in_order 1 ["L-22"];
    }
    tokens {
        tokens_rise_over_releases 1 ["L-23", "L-24"];
        tokens_rise_over_expiries 1 ["L-23", "L-24"];
        tokens_rise_over_hand_overs 1 ["L-23", "L-24"];
        tokens_rise_although_the_name_was_idle 1 ["L-24"];
        the_holder_stops_a_margin_before_the_server 1 ["L-28", "L-31"];
        a_hand_over_stops_before_the_server_too 1 ["L-29", "L-51"];
        past_its_local_deadline_a_lease_is_lost_for_good 1 ["L-34"];
    }
    waiting {
        a_free_name_is_granted_at_once 1 ["L-38"];
        a_release_wakes_the_waiter 1 ["L-38", "L-39"] if |d| d.notifies;
        an_expiry_lets_the_waiter_in 1 ["L-12", "L-38", "L-40"] if |d| d.notifies;
        waiters_take_turns_although_no_holder_releases 1 ["L-38", "L-40"];
        a_timeout_comes_at_the_timeout 1 ["L-43", "L-44"];
        many_waiters_each_time_out_at_their_own_time 1 ["L-43", "G-27"];
        who_timed_out_is_granted_nothing 1 ["L-43", "L-45"];
        a_timeout_of_zero_is_one_attempt 1 ["L-47"];
        an_attempt_of_acquire_gives_way_to_who_waits 1 ["L-5", "L-47"] if |d| d.fair;
        a_release_wakes_one_waiter 1 ["L-42"] if |d| d.notifies;
        waiters_for_other_names_do_not_matter 1 ["L-38"];
        a_dropped_call_leaves_nothing 1 ["G-28", "G-30"];
    }
    hand_over {
        the_receiver_has_the_full_ttl 1 ["L-49", "L-50"];
        waiters_are_served_in_order 1 ["L-66"] if |d| d.fair;
        a_long_wait_keeps_its_place 1 ["L-55", "L-56", "L-66"] if |d| d.fair;
        at_an_expiry_the_first_is_served 1 ["L-56", "L-66"] if |d| d.fair;
        who_stopped_waiting_is_passed_over 1 ["G-28", "L-53"] if |d| d.notifies;
        what_a_dropped_waiter_was_handed_is_passed_on 1 ["G-28", "L-53"] if |d| d.fair;
        a_hand_over_that_is_not_taken_lapses_soon 1 ["L-48", "L-54"] if |d| d.fair;
        who_comes_too_late_for_a_hand_over_waits_on 1 ["L-48", "L-52"] if |d| d.fair;
        a_hand_over_that_lapsed_is_over 1 ["L-48", "L-52"] if |d| d.fair && d.inspection;
        a_hand_over_taken_late_is_still_good 1 ["L-49", "L-50"] if |d| d.fair;
        a_dead_waiter_counts_for_nothing 1 ["L-37", "L-57"];
        dead_waiters_do_not_hide_a_live_one 1 ["L-57"] if |d| d.notifies;
        a_waiter_that_comes_back_from_the_dead_is_last 1 ["L-57", "L-66"] if |d| d.fair;
        many_waiters_all_come_to_their_turn 1 ["L-24", "L-38", "L-53"];
    }
    release {
        a_release_answers_what_it_found 1 ["L-58", "L-59"];
        after_its_expiry_a_release_finds_nothing 1 ["L-58"];
        without_a_token_the_owner_alone_counts 1 ["L-14"];
        any_client_may_speak_for_the_claim 1 ["L-13"];
        a_released_waiter_waits_for_nothing 1 ["L-8", "L-58"];
        what_was_handed_over_can_be_released 1 ["L-14", "L-59"] if |d| d.fair;
        closing_releases_what_was_granted 1 ["G-73"] if |d| d.backend;
        closing_keeps_what_was_left_to_expire 1 ["G-73"] if |d| d.backend;
        closing_covers_what_was_waited_for 1 ["G-73"] if |d| d.backend;
        closing_ends_those_who_wait 1 ["G-74", "G-75"] if |d| d.backend;
        after_closing_every_call_is_refused 1 ["G-75", "G-76"] if |d| d.backend;
        the_holder_shows_its_token_and_time 1 ["L-61"] if |d| d.inspection;
        an_expired_lease_has_no_holder 1 ["G-24", "L-61"] if |d| d.inspection;
        without_inspection_holder_is_unsupported 1 ["G-43"] if |d| !d.inspection;
        what_is_declared_is_possible 1 ["G-18", "L-62"];
        a_backend_declares_what_its_locks_do 1 ["G-89", "L-62"] if |d| d.backend;
        no_owner_shows 1 ["G-51", "L-61"];
    }
    inputs {
        any_characters_make_a_name_of_its_own 1 ["G-7", "G-8"];
        any_characters_can_be_waited_for 1 ["G-7"];
        names_of_1_and_of_1024_bytes_are_good 1 ["G-5", "G-8"];
        bad_names_are_refused 1 ["G-6", "G-15"];
        ttls_out_of_bounds_are_refused 1 ["G-16", "G-88", "L-2"];
        long_ttls_hold 1 ["G-16", "G-19"];
        namespaces_do_not_see_each_other 1 ["G-2", "G-3"];
        bad_namespaces_are_refused 1 ["G-1"];
        a_lock_is_no_state 1 ["G-4"] if |d| d.backend;
    }
    guards {
        a_guard_is_renewed_while_it_lives 1 ["T-24"];
        the_last_clone_of_a_guard_releases 1 ["T-26"];
        a_guard_tells_its_token_and_time 1 ["T-27", "T-30"];
        lost_fires_at_the_deadline_and_not_after_a_release 1 ["T-28", "T-30"];
        work_is_dropped_at_the_deadline 1 ["T-29", "T-30"];
        a_guard_releases 1 ["T-31", "T-33"];
        a_guard_can_be_left_to_expire 1 ["G-73", "T-35"];
        a_dropped_guard_releases_in_the_background 1 ["T-36"];
        a_lock_is_not_reentrant 1 ["T-38"];
        thirty_seconds_by_default 1 ["T-39"];
        locks_count_what_they_do 1 ["T-40"];
        run_acquires_works_and_releases 1 ["T-24", "T-31"];
        dropped_calls_of_locks_leave_nothing 1 ["G-28", "G-30", "T-36"];
    }
    race {
        one_at_a_time 2 ["L-11", "L-24", "L-38"];
        of_many_attempts_one_wins 2 ["L-4", "L-11", "L-24"];
        releases_aimed_at_their_own_expiry_steal_nothing 2 ["L-11", "L-15", "L-24"];
        in_a_fair_queue_nobody_is_left_behind 2 ["L-66"] if |d| d.fair;
        dropped_waiters_never_keep_the_name 2 ["G-28", "L-53"];
        who_ends_waiting_holds_up_nobody 2 ["G-28", "L-38", "L-45"];
        timeouts_under_contention_leave_nothing 2 ["L-43", "L-45"];
        renewals_and_releases_at_once_agree 2 ["L-8", "L-20", "L-59"];
    }
    model {
        random_sequences_agree_with_the_model 3 ["L-6", "L-7", "L-11", "L-15", "L-17", "L-20", "L-21", "L-24", "L-58"];
    }
    histories {
        leases_are_linearizable 4
            ["L-4", "L-6", "L-11", "L-12", "L-13", "L-15", "L-16", "L-20", "L-21", "L-24", "L-59", "L-61"];
    }
}
