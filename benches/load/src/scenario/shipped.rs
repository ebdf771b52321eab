//! The scenarios that come with the harness.

/// What runs without arguments.
pub const CANONICAL: &str = "canonical";

/// By name.
pub const SHIPPED: &[(&str, &str)] = &[
    (CANONICAL, include_str!("../../scenarios/canonical.toml")),
    ("steady", include_str!("../../scenarios/steady.toml")),
    ("hot-entity", include_str!("../../scenarios/hot-entity.toml")),
    ("workflows", include_str!("../../scenarios/workflows.toml")),
    ("money", include_str!("../../scenarios/money.toml")),
    ("effects", include_str!("../../scenarios/effects.toml")),
    ("overload", include_str!("../../scenarios/overload.toml")),
    ("restart-storm", include_str!("../../scenarios/restart-storm.toml")),
    ("recovery", include_str!("../../scenarios/recovery.toml")),
    ("soak", include_str!("../../scenarios/soak.toml")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn every_shipped_scenario_is_one_and_bears_its_name() {
        for (name, text) in SHIPPED {
            let scenario = Scenario::parse(name, text).unwrap_or_else(|error| panic!("{error:?}"));
            assert_eq!(&scenario.name, name);
            assert!(!scenario.about.is_empty(), "{name}");
            assert!(scenario.phases.iter().any(|phase| phase.counts), "{name}");
        }
    }
}
