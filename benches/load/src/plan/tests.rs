//! Plans keep their rates, their order and their seed, and slices are parts of them.

use proptest::prelude::*;

use super::*;

const SECOND: Nanos = 1_000_000_000;

fn rate(per_s: f64) -> Rate {
    Rate { per_s: Some(per_s), of_capacity: None }
}

fn phase(for_s: f64, arrivals: Arrivals) -> Phase {
    Phase { name: "p".to_owned(), for_s, counts: true, arrivals }
}

fn placed(phases: &[Phase]) -> Vec<Stretch> {
    let mut from = 0;
    let place = |(index, phase)| {
        let stretch = Stretch::new(phase, index, from, 100.0);
        from = stretch.to();
        stretch
    };
    phases.iter().enumerate().map(place).collect()
}

fn starts(phases: &[Phase], seed: u64) -> Vec<Start> {
    Plan::new(placed(phases), seed, Slice::WHOLE).collect()
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    let one = 1.0..2_000.0_f64;
    prop_oneof![
        one.clone().prop_map(|per_s| Arrivals::Constant { rate: rate(per_s) }),
        (one.clone(), 0.0..2_000.0_f64)
            .prop_map(|(from, to)| Arrivals::Ramp { from: rate(from), to: rate(to) }),
        (one.clone(), one.clone(), 1..9_u32).prop_map(|(from, to, steps)| Arrivals::Stairs {
            from: rate(from),
            to: rate(to),
            steps
        }),
        (one.clone(), one.clone()).prop_map(|(low, high)| Arrivals::Spike {
            rate: rate(low),
            peak: rate(high),
            peak_at_s: 0.2,
            peak_for_s: 0.3
        }),
        one.prop_map(|per_s| Arrivals::Poisson { rate: rate(per_s) }),
        (1..50_u32).prop_map(|sessions| Arrivals::Closed { sessions, think_ms: 0 }),
    ]
}

fn phases() -> impl Strategy<Value = Vec<Phase>> {
    let one = (0.5..3.0_f64, arrivals()).prop_map(|(for_s, arrivals)| phase(for_s, arrivals));
    prop::collection::vec(one, 1..4)
}

/// What the rates of a phase sum up to.
fn expected(phase: &Phase) -> Option<f64> {
    let of = |rate: Rate| rate.per_s.unwrap();
    match phase.arrivals {
        Arrivals::Constant { rate } => Some(of(rate) * phase.for_s),
        Arrivals::Ramp { from, to } | Arrivals::Stairs { from, to, steps: 2.. } => {
            Some((of(from) + of(to)) / 2.0 * phase.for_s)
        }
        Arrivals::Stairs { from, .. } => Some(of(from) * phase.for_s),
        Arrivals::Spike { rate, peak, peak_for_s, .. } => {
            Some(of(rate) * (phase.for_s - peak_for_s) + of(peak) * peak_for_s)
        }
        Arrivals::Closed { sessions, .. } => Some(f64::from(sessions)),
        Arrivals::Poisson { .. } => None,
    }
}

proptest! {
    #[test]
    fn rates_are_kept_and_starts_lie_in_their_phase_and_in_order(
        phases in phases(), seed: u64
    ) {
        let starts = starts(&phases, seed);
        let stretches = placed(&phases);
        prop_assert!(starts.is_sorted_by_key(|start| start.at));
        for (index, phase) in phases.iter().enumerate() {
            let of_it: Vec<&Start> = starts.iter().filter(|start| start.phase == index).collect();
            let stretch = &stretches[index];
            prop_assert!(of_it.iter().all(|one| (stretch.from..stretch.to()).contains(&one.at)));
            if let Some(expected) = expected(phase) {
                let count = of_it.len() as f64;
                prop_assert!((count - expected).abs() <= 1.5, "{count} of {expected}");
            }
        }
    }

    #[test]
    fn a_seed_gives_one_plan_and_every_start_has_a_number_of_its_own(
        phases in phases(), seed: u64
    ) {
        let once = starts(&phases, seed);
        prop_assert_eq!(&once, &starts(&phases, seed));
        let numbers: std::collections::HashSet<u64> = once.iter().map(|one| one.number).collect();
        prop_assert_eq!(numbers.len(), once.len());
    }

    #[test]
    fn slices_and_their_parts_have_every_start_once(
        phases in phases(), seed: u64, of in 1..5_u32, threads in 1..4_u32
    ) {
        let mut together: Vec<Start> = (0..of)
            .flat_map(|index| (0..threads).map(move |thread| Slice { index, of }.part(thread, threads)))
            .flat_map(|slice| Plan::new(placed(&phases), seed, slice))
            .collect();
        together.sort_by_key(|start| (start.at, start.number));
        let mut whole = starts(&phases, seed);
        whole.sort_by_key(|start| (start.at, start.number));
        prop_assert_eq!(together, whole);
    }
}

#[test]
fn a_ramp_has_three_quarters_of_its_starts_in_its_second_half() {
    let ramp = Arrivals::Ramp { from: rate(0.0), to: rate(1_000.0) };
    let starts = starts(&[phase(10.0, ramp)], 1);
    let late = starts.iter().filter(|start| start.at >= 5 * SECOND).count();
    assert_eq!((starts.len(), late), (5_000, 3_750));
}

#[test]
fn chance_keeps_the_mean_and_spreads_as_it_should() {
    let starts = starts(&[phase(100.0, Arrivals::Poisson { rate: rate(200.0) })], 7);
    let mut by_second = [0.0_f64; 100];
    for start in &starts {
        by_second[usize::try_from(start.at / SECOND).unwrap()] += 1.0;
    }
    let mean = by_second.iter().sum::<f64>() / 100.0;
    let variance = by_second.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 99.0;
    assert!((mean - 200.0).abs() < 5.0, "{mean}");
    // That of a Poisson distribution is its mean; of 100 seconds the estimate is within a half.
    assert!((100.0..300.0).contains(&variance), "{variance}");
}

#[test]
fn a_share_of_the_capacity_becomes_a_rate() {
    let half = Rate { per_s: None, of_capacity: Some(0.5) };
    let starts = starts(&[phase(2.0, Arrivals::Constant { rate: half })], 1);
    assert_eq!(starts.len(), 100);
}
