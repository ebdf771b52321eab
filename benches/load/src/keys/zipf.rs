//! Zipf's law by rejection-inversion: W. Hörmann and G. Derflinger, "Rejection-inversion to generate
//! variates from monotone discrete distributions", ACM TOMACS 6(3), 1996.
//!
//! It needs no table, so a million keys cost as much as ten, and rejects less than one draw in ten.

use crate::chance::Chance;

/// Draws ranks from 1 to a count, the kth in proportion to k^-theta.
#[derive(Debug, Clone, Copy)]
pub struct Zipf {
    count: f64,
    theta: f64,
    integral_first: f64,
    integral_last: f64,
    squeeze: f64,
}

impl Zipf {
    #[expect(clippy::cast_precision_loss, reason = "keys are far fewer than 2^53")]
    pub(super) fn new(count: u64, theta: f64) -> Self {
        let count = count as f64;
        Self {
            count,
            theta,
            integral_first: integral(1.5, theta) - 1.0,
            integral_last: integral(count + 0.5, theta),
            squeeze: 2.0 - inverse(integral(2.5, theta) - weight(2.0, theta), theta),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is clamped to the ranks"
    )]
    pub(super) fn draw(&self, chance: &mut Chance) -> u64 {
        loop {
            let span = self.integral_first - self.integral_last;
            let under = chance.unit().mul_add(span, self.integral_last);
            let point = inverse(under, self.theta);
            let rank = point.round().clamp(1.0, self.count);
            let accepted = rank - point <= self.squeeze
                || under >= integral(rank + 0.5, self.theta) - weight(rank, self.theta);
            if accepted {
                return rank as u64;
            }
        }
    }
}

fn weight(x: f64, theta: f64) -> f64 {
    (-theta * x.ln()).exp()
}

/// The integral of the weight, up to a constant; smooth in theta at 1.
fn integral(x: f64, theta: f64) -> f64 {
    let log = x.ln();
    let y = (1.0 - theta) * log;
    let expm1_by_y = if y.abs() > SMALL { y.exp_m1() / y } else { 1.0 + y / 2.0 };
    expm1_by_y * log
}

fn inverse(x: f64, theta: f64) -> f64 {
    let y = (x * (1.0 - theta)).max(-1.0);
    let ln1p_by_y = if y.abs() > SMALL { y.ln_1p() / y } else { 1.0 - y / 2.0 };
    (ln1p_by_y * x).exp()
}

/// Below it the first terms of the series are exact to the last digit.
const SMALL: f64 = 1e-8;
