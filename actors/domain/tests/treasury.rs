//! Random schedules of everything that can happen to money, held against a naive model.
//!
//! The entities' own code decides every part of every group, as it does on a node; groups are
//! applied whole or not at all. In the first property the clock runs forwards only and a naive model
//! says beforehand what every authorization comes to; in the second it also jumps backwards, so that
//! streams differ on what time it is, and the bounds are counted anew from what happened.

#![allow(clippy::unwrap_used, reason = "what fails where it must not fails the test")]

#[path = "treasury/model.rs"]
mod model;
#[path = "treasury/world.rs"]
mod world;

use coppice_domain::treasury::transfer::Status;
use proptest::prelude::*;

use crate::model::Model;
use crate::world::{LIMITS, MERCHANTS, WORKFLOWS, Wish, World};

#[derive(Debug, Clone)]
enum Step {
    Deposit(u64),
    Create(Wish),
    Authorize(usize),
    Deny(usize),
    /// The whole where it is none.
    Post(usize, Option<u64>),
    Void(usize),
    /// Seconds.
    Forward(i64),
    Backward(i64),
    Timers,
    Effects,
    Restart,
}

fn wish() -> impl Strategy<Value = Wish> {
    let workflow = prop::option::weighted(0.7, 0..WORKFLOWS);
    (1..60_u64, 0..MERCHANTS, 0..2_usize, workflow, 1..90_u32).prop_map(
        |(amount, merchant, category, workflow, ttl_s)| Wish {
            amount,
            merchant,
            category,
            workflow,
            ttl_s,
        },
    )
}

fn step(backward: bool) -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (1..120_u64).prop_map(Step::Deposit),
        6 => wish().prop_map(Step::Create),
        10 => (0..20_usize).prop_map(Step::Authorize),
        1 => (0..20_usize).prop_map(Step::Deny),
        5 => (0..20_usize, prop::option::of(1..60_u64)).prop_map(|(i, part)| Step::Post(i, part)),
        3 => (0..20_usize).prop_map(Step::Void),
        4 => (1..40_i64).prop_map(Step::Forward),
        1 => Just(Step::Forward(50_000)),
        2 => (1..200_i64).prop_map(move |seconds| {
            if backward { Step::Backward(seconds) } else { Step::Forward(seconds) }
        }),
        2 => Just(Step::Timers),
        2 => Just(Step::Effects),
        1 => Just(Step::Restart),
    ]
}

fn schedule(backward: bool) -> impl Strategy<Value = Vec<Step>> {
    // Few intents for many steps, so that most of them meet ones that have come far.
    prop::collection::vec(step(backward), 0..120)
}

fn run(world: &mut World, step: &Step) {
    match step {
        Step::Deposit(amount) => world.deposit(*amount),
        Step::Create(wish) => world.create(*wish),
        Step::Authorize(intent) => drop(world.authorize(*intent)),
        Step::Deny(intent) => world.deny(*intent),
        Step::Post(intent, part) => drop(world.post(*intent, *part)),
        Step::Void(intent) => drop(world.void(*intent)),
        Step::Forward(seconds) => world.jump(*seconds),
        Step::Backward(seconds) => world.jump(-seconds),
        Step::Timers => world.fire_timers(),
        Step::Effects => world.carry_out_effects(),
        Step::Restart => world.restart(),
    }
}

/// Everything that is pending ends by itself, and then nothing is held anywhere.
fn come_to_rest(world: &mut World) {
    world.jump(1_000_000);
    for _ in 0..3 {
        world.fire_timers();
        world.carry_out_effects();
        world.jump(60);
    }
    world.check();
    for (id, transfer) in world.transfers() {
        assert_ne!(transfer.status, Status::Pending, "{id} never ended");
    }
    for (id, account) in world.accounts() {
        assert_eq!(account.holds, 0, "{id} still holds something");
    }
    world.restart();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_authorization_comes_to_what_a_naive_model_says(steps in schedule(false)) {
        let mut world = World::new();
        let mut model = Model::new(LIMITS);
        for step in &steps {
            match step {
                Step::Deposit(amount) => model.deposit(*amount),
                Step::Create(wish) => model.create(*wish, world.now()),
                Step::Authorize(intent) => {
                    let expected = model.authorize(*intent, world.now());
                    prop_assert_eq!(world.authorize(*intent), expected, "{:?}", step);
                    world.check();
                    continue;
                }
                Step::Deny(intent) => model.deny(*intent, world.now()),
                Step::Post(intent, part) => {
                    let expected = model.post(*intent, *part, world.now());
                    prop_assert_eq!(world.post(*intent, *part), expected, "{:?}", step);
                    world.check();
                    continue;
                }
                Step::Void(intent) => {
                    let expected = model.void(*intent, world.now());
                    prop_assert_eq!(world.void(*intent), expected, "{:?}", step);
                    world.check();
                    continue;
                }
                Step::Forward(_) | Step::Backward(_) | Step::Timers | Step::Effects
                | Step::Restart => {}
            }
            run(&mut world, step);
            world.check();
        }
        prop_assert_eq!(world.funding(), model.funding());
        prop_assert_eq!(world.paid(), model.paid());
        come_to_rest(&mut world);
        prop_assert_eq!(world.funding(), model.funding(), "what expires moves nothing");
    }

    #[test]
    fn no_schedule_makes_or_loses_money_or_crosses_a_limit(steps in schedule(true)) {
        let mut world = World::new();
        for step in &steps {
            run(&mut world, step);
            world.check();
        }
        come_to_rest(&mut world);
    }
}
