//! The intensity window against a naive model: all restarts ever, counted anew each time.

use std::time::Duration;

use coppice_supervisors::Intensity;
use coppice_supervisors::intensity::Window;
use proptest::collection::vec;
use proptest::prelude::*;

/// Everything that ever happened.
#[derive(Default)]
struct Model(Vec<(Duration, u8)>);

impl Model {
    fn within(&self, now: Duration, period: Duration) -> Vec<u8> {
        let counts = |at: Duration| at + period >= now;
        self.0.iter().filter(|(at, _)| counts(*at)).map(|(_, whom)| *whom).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_window_admits_what_the_model_admits(
        restarts in 0_u32..6,
        period_ms in 1_u64..50,
        steps in vec((0_u64..20, 0_u8..3), 0..60),
    ) {
        let period = Duration::from_millis(period_ms);
        let mut window = Window::new(Intensity { restarts, period });
        let mut model = Model::default();
        let mut now = Duration::ZERO;
        for (wait, whom) in steps {
            now += Duration::from_millis(wait);
            model.0.push((now, whom));
            let counted = model.within(now, period);
            let admitted = window.admit(now, whom);
            prop_assert_eq!(admitted, counted.len() <= restarts as usize);
            if !admitted {
                // The supervisor ends with the first refusal.
                break;
            }
            for later in [0, 1, period_ms / 2, period_ms, period_ms + 1] {
                let then = now + Duration::from_millis(later);
                let counted = model.within(then, period);
                prop_assert_eq!(window.count(then), counted.len());
                for whom in 0..3 {
                    let of = counted.iter().filter(|other| **other == whom).count();
                    prop_assert_eq!(window.count_of(then, &whom), of);
                }
            }
        }
    }

    #[test]
    fn a_window_that_goes_on_after_a_refusal_still_answers_as_the_model(
        restarts in 0_u32..4,
        waits in vec(0_u64..10, 0..60),
    ) {
        let period = Duration::from_millis(12);
        let mut window = Window::new(Intensity { restarts, period });
        let mut model = Model::default();
        let mut now = Duration::ZERO;
        for wait in waits {
            now += Duration::from_millis(wait);
            model.0.push((now, 0));
            let fits = model.within(now, period).len() <= restarts as usize;
            prop_assert_eq!(window.admit(now, 0), fits);
        }
    }
}
