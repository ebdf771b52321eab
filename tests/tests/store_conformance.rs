//! One suite for every store: in memory, on SQLite and on PostgreSQL. What passes here may stand
//! under the runtime.
//!
//! Each case is a function over a fresh store; the table below makes a test of it for each kind of
//! store, so that `sqlite::a_refusal_leaves_no_trace` says which failed. Those under `reopened` get
//! what it takes to open the store again.

#![expect(clippy::unwrap_used, reason = "a store that fails where it must not fails the case")]

#[path = "store_conformance/api_keys.rs"]
mod api_keys;
#[path = "store_conformance/append.rs"]
mod append;
#[path = "store_conformance/attempts.rs"]
mod attempts;
#[path = "store_conformance/backend.rs"]
mod backend;
#[path = "store_conformance/cancellation.rs"]
mod cancellation;
#[path = "store_conformance/commands.rs"]
mod commands;
#[path = "store_conformance/dead_letters.rs"]
mod dead_letters;
#[path = "store_conformance/directory.rs"]
mod directory;
#[path = "store_conformance/fences.rs"]
mod fences;
#[path = "store_conformance/fixture.rs"]
mod fixture;
#[path = "store_conformance/following.rs"]
mod following;
#[path = "store_conformance/journal.rs"]
mod journal;
#[path = "store_conformance/leases.rs"]
mod leases;
#[path = "store_conformance/model.rs"]
mod model;
#[path = "store_conformance/read_models.rs"]
mod read_models;
#[path = "store_conformance/reopened.rs"]
mod reopened;
#[path = "store_conformance/resubmission.rs"]
mod resubmission;
#[path = "store_conformance/retention.rs"]
mod retention;
#[path = "store_conformance/scans.rs"]
mod scans;
#[path = "store_conformance/snapshots.rs"]
mod snapshots;
#[path = "store_conformance/subject_keys.rs"]
mod subject_keys;
#[path = "store_conformance/units.rs"]
mod units;

macro_rules! suite {
    ($backend:ident: $($module:ident { $($case:ident)* })*; reopened { $($whole:ident)* }) => {
        mod $backend {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $whole() {
                    crate::reopened::$whole(crate::backend::$backend().await).await;
                }
            )*
            $($(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let opened = crate::backend::$backend().await;
                    crate::$module::$case(std::sync::Arc::clone(&opened.store)).await;
                }
            )*)*
        }
    };
}

macro_rules! suites {
    ($($backend:ident)*) => { $(
        suite! { $backend:
            api_keys {
                a_key_is_added_once_and_brings_its_tenant
                a_key_that_is_rotated_gets_one_successor
                a_rotation_shortens_and_never_lengthens_a_life
                a_tenant_has_so_many_keys_at_most
                ended_keys_are_purged_by_age
                keys_are_listed_by_tenant_in_pages
                of_competing_rotations_exactly_one_counts
                only_a_valid_key_is_rotated
                the_latest_use_of_a_key_is_noted
            }
            append {
                a_megabyte_passes_whole
                a_stream_is_read_in_pages
                an_empty_batch_does_nothing
                an_entity_row_stands_where_its_stream_ends
                an_event_reads_back_byte_for_byte
                five_hundred_units_commit_in_one_batch
                streams_of_other_kinds_and_tenants_are_apart
                two_thousand_events_commit_in_one_batch
            }
            attempts {
                a_count_goes_up_by_one
                a_dropped_count_begins_anew
                a_former_owner_takes_no_count_of_its_successor_away
                a_message_twice_in_one_call_is_counted_twice
                a_sweep_takes_no_count_that_goes_up_meanwhile
                a_thousand_messages_are_counted_in_one_call
                competing_counters_lose_no_count
                stale_counts_are_dropped_by_age
                stale_counts_of_owing_and_waiting_entities_stay
            }
            cancellation {
                a_dropped_append_is_found_out_by_handing_it_in_again
                a_dropped_count_is_counted_at_most_once
                a_dropped_claim_leaves_the_shards_claimable
                a_dropped_step_is_taken_whole_or_not_at_all
                what_is_acknowledged_after_dropped_calls_stays
            }
            commands {
                a_command_is_found_by_its_stream_and_id
                old_commands_are_dropped_by_age
                recent_commands_come_latest_first
                records_and_events_mix_in_one_batch
                records_before_the_first_event_make_no_entity
                records_without_events_move_nothing
            }
            dead_letters {
                a_letter_is_put_once
                a_letter_reads_back_as_it_was
                a_removed_letter_may_come_again
                a_former_owner_removes_no_letter
                kinds_and_reasons_come_back
                letters_are_apart_by_tenant
                letters_are_paged_in_order_of_arrival
                of_competing_letters_exactly_one_is_put
            }
            directory {
                a_key_is_revoked_by_its_own_tenant
                a_key_reads_back_as_it_was
                a_tenant_exists_once_it_is_added
                adding_a_tenant_again_changes_nothing
                keys_are_found_by_their_whole_prefix
            }
            fences {
                a_dropped_command_is_forgotten
                a_former_owner_is_refused
                a_head_at_another_sequence_is_refused
                a_head_with_another_hash_is_refused
                a_new_stream_begins_at_its_own_genesis
                a_refusal_leaves_no_trace
                a_succession_under_load_cuts_the_former_owner_off
                a_unit_that_is_there_in_part_is_refused
                an_answered_command_is_of_its_stream
                an_unclaimed_shard_accepts_nothing
                another_epoch_is_refused
                answered_commands_are_named
                pipelined_appends_fall_with_the_first
                the_first_reason_in_order_is_the_answer
            }
            following {
                a_piece_is_bounded
                a_scope_holds_its_own_events
                a_stream_is_gone_on_with_by_its_sequence
            }
            journal {
                batches_are_read_in_pages
                batches_chain_over_their_events
                positions_stay_dense_after_refusals
                tailing_misses_nothing_while_writers_append
                the_journal_ends_at_its_last_event
                the_journal_is_read_in_pages
            }
            leases {
                a_claim_of_another_number_of_shards_is_invalid
                a_claim_of_no_shards_is_invalid
                a_claim_takes_every_shard_under_new_epochs
                a_former_owner_renews_nothing
                a_lease_without_end_says_so
                a_released_lease_is_free_at_once
                a_renewal_extends_the_lease
                a_renewal_of_what_is_lost_extends_nothing
                a_running_lease_holds_others_off
                an_ended_lease_is_succeeded_by_anyone
                of_competing_claims_exactly_one_is_granted
                only_the_same_owner_succeeds_itself_and_only_when_asked
            }
            model {
                random_histories_agree_with_the_model
            }
            read_models {
                a_step_from_elsewhere_writes_nothing
                a_step_may_be_large
                a_step_moves_the_offset_from_where_it_stands
                documents_are_paged_bytewise
                bodies_are_told_in_the_order_asked
                documents_change_in_order
                events_are_parked_and_released
                of_competing_steps_exactly_one_is_taken
                parked_streams_are_told
            }
            resubmission {
                a_record_reads_back_as_it_was
                a_refused_unit_again_is_refused_again
                another_answer_to_the_same_command_is_a_duplicate
                old_and_new_units_are_told_apart_in_one_batch
                records_that_are_there_in_part_are_a_duplicate
                the_same_records_again_are_committed_once
                the_same_unit_after_a_succession_is_committed
                the_same_unit_after_its_records_were_dropped_is_committed
                the_same_unit_again_is_committed_once
                the_same_unit_from_many_at_once_is_committed_once
            }
            retention {
                a_sweep_ends_behind_many_later_records
                records_of_an_owing_sender_stay_until_it_owes_nothing
                records_out_of_order_are_dropped_each_by_its_own_time
                records_that_stay_hold_up_no_other
            }
            scans {
                due_entities_are_paged_across_equal_times
                due_entities_come_earliest_first
                entities_are_paged_in_order_of_stream_id
                entities_of_a_tenant_and_kind_are_paged_in_order_of_their_ids
                owing_entities_come_and_go_with_their_events
            }
            snapshots {
                a_snapshot_is_not_judged_by_the_store
                a_snapshot_of_the_same_point_takes_its_place
                a_snapshot_reads_back_as_it_was
                of_two_snapshots_in_one_call_the_newer_stays
                the_newest_snapshot_stays
            }
            subject_keys {
                a_destroyed_key_leaves_a_row_that_says_so
                a_key_is_of_its_tenant
                a_subject_that_was_erased_first_never_gets_a_key
                a_wrapped_key_reads_back_as_it_was
                keys_are_wrapped_anew_unless_they_moved
                of_competing_keys_exactly_one_stands
            }
            units {
                a_command_twice_in_one_append_is_invalid
                a_duplicate_takes_its_whole_unit
                a_nul_is_kept_or_invalid
                keys_that_look_alike_are_apart
                linked_appends_commit_together
                of_competing_writers_exactly_one_wins
                one_refusal_takes_its_whole_unit_and_no_neighbour
                opposite_orders_of_streams_do_not_deadlock
                what_breaks_the_rules_is_invalid
            };
            reopened {
                counts_survive_reconnecting
                destroyed_keys_stay_so_after_reconnecting
                letters_survive_reconnecting
                senders_survive_reconnecting
            }
        }
    )* };
}

suites! { memory sqlite postgres }
