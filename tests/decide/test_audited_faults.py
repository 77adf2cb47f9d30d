"""The faults that an audit of decisions found: each has tests that hold it."""

from __future__ import annotations

from pathlib import Path

import pytest

FAULTS = {
    1: (
        (
            "plugin/results/test_judged_gate.py",
            "test_a_new_prompt_that_costs_thirty_points_is_blocked_by_the_labels_of_the_old_one",
        ),
        (
            "judging/test_needed_labels.py",
            "test_labels_of_another_run_measure_the_same_judge",
        ),
    ),
    2: (
        (
            "decide/test_audited_decisions.py",
            "test_errors_that_cannot_matter_do_not_push_the_choice_upwards",
        ),
        (
            "decide/test_climb.py",
            "test_errors_that_cannot_matter_keep_no_rung_from_its_verdict",
        ),
        (
            "plugin/scheduling/test_climb_prices.py",
            "test_a_few_errors_do_not_push_the_choice_upwards",
        ),
    ),
    3: (
        (
            "decide/test_one_rule.py",
            "test_so_it_does_when_it_took_the_rungs_in_the_wrong_order",
        ),
        (
            "plugin/scheduling/test_climb_prices.py",
            "test_what_measured_lengths_make_cheaper_is_tried_after_a_pass",
        ),
    ),
    4: (
        (
            "decide/test_audited_decisions.py",
            "test_every_objective_ranks_by_what_labels_make_of_the_judge",
        ),
        (
            "decide/test_audited_decisions.py",
            "test_front_and_steps_go_by_calibrated_quality_too",
        ),
    ),
    5: (
        (
            "stats/test_judged.py",
            "test_a_calibrated_pass_rate_of_clusters_holds_as_often_as_it_says",
        ),
        ("stats/test_judged.py", "test_labels_of_few_clusters_are_worth_less"),
    ),
    6: (
        (
            "decide/test_audited_decisions.py",
            "test_the_share_that_cheap_checks_ask_for_is_a_constraint_of_the_matrix",
        ),
        (
            "decide/test_one_rule.py",
            "test_a_climb_that_may_not_err_decides_as_the_matrix_does",
        ),
    ),
    7: (
        (
            "decide/test_evidence.py",
            "test_where_nothing_differs_the_interval_is_no_point",
        ),
    ),
    8: (
        (
            "decide/test_frontier.py",
            "test_many_cheaper_rivals_make_none_dominated_by_chance",
        ),
    ),
    9: (
        (
            "stats/test_intervals.py",
            "test_grades_that_lie_close_together_have_a_narrow_interval",
        ),
        ("stats/test_intervals.py", "test_more_samples_of_a_case_narrow_the_interval"),
    ),
    10: (
        (
            "decide/gate/test_within_cases.py",
            "test_a_true_drop_of_the_size_that_is_named_is_seen_4_times_in_5",
        ),
    ),
    11: (
        (
            "decide/test_objective.py",
            "test_the_best_of_many_rungs_certifies_less_than_one_that_had_no_rivals",
        ),
    ),
    12: (
        (
            "decide/test_audited_decisions.py",
            "test_a_step_function_fails_where_no_rung_is_a_step_up",
        ),
        (
            "decide/test_audited_decisions.py",
            "test_a_step_of_one_rung_among_many_must_be_more_than_luck",
        ),
    ),
    13: (
        (
            "decide/test_climb_halving.py",
            "test_the_better_half_goes_on_to_twice_as_many_units",
        ),
    ),
    14: (
        (
            "stats/test_intervals.py",
            "test_equal_clusters_have_the_cr1_standard_error_and_one_degree_less",
        ),
        ("stats/test_intervals.py", "test_few_degrees_of_freedom_take_students_t"),
    ),
    15: (
        (
            "decide/gate/test_judged_suites.py",
            "test_a_drop_is_that_of_people_with_the_error_of_both_shares",
        ),
        (
            "decide/gate/test_judged_suites.py",
            "test_the_two_points_that_block_are_points_of_people",
        ),
    ),
    16: (
        (
            "decide/gate/test_gate_verdict.py",
            "test_a_slow_run_is_told_from_a_slow_day_by_three_runs_or_more",
        ),
        (
            "decide/gate/test_gate_verdict.py",
            "test_days_of_a_provider_that_differ_turn_a_gate_red_one_time_in_twenty",
        ),
    ),
    17: (
        (
            "judging/test_needed_labels.py",
            "test_what_a_rung_lacks_is_counted_by_the_rule_that_runs",
        ),
        (
            "judging/test_needed_labels.py",
            "test_as_many_labels_as_it_asks_for_are_enough",
        ),
    ),
    18: (
        (
            "decide/test_audited_decisions.py",
            "test_what_a_climb_left_untried_is_named_with_its_reason",
        ),
        (
            "plugin/scheduling/test_climb_prices.py",
            "test_a_rung_without_a_price_is_named_and_what_to_add",
        ),
    ),
    19: (
        (
            "decide/test_audited_decisions.py",
            "test_rounding_never_costs_a_rung_its_budget",
        ),
    ),
    20: (
        ("stats/test_intervals.py", "test_what_skewed_calls_cost_lies_in_the_interval"),
        (
            "stats/test_agreement.py",
            "test_agreement_lies_in_its_intervals_with_few_labels_too",
        ),
        (
            "stats/test_agreement.py",
            "test_a_t_interval_covers_graded_labels_where_a_z_interval_falls_short",
        ),
    ),
    21: (
        (
            "decide/test_audited_decisions.py",
            "test_a_cost_that_no_price_can_make_is_unknown_and_never_the_cheapest",
        ),
    ),
    22: (("decide/test_sentences.py", "test_what_is_said_is_so"),),
}
"""By their numbers: file and test."""


def test_no_fault_is_left_out() -> None:
    assert [*FAULTS] == [*range(1, 23)]


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_the_audit_is_held_by_a_test(fault: int) -> None:
    for path, name in FAULTS[fault]:
        text = (Path(__file__).parents[1] / path).read_text(encoding="utf-8")
        assert f"\ndef {name}(" in text
