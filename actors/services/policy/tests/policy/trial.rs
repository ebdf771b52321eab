//! Another bundle is tried on what was decided before.

use coppice_policy::{NoPolicy, Policy, Verdict, replay};

use super::support::{default_policy, denied, money, of_version, with_data};

#[test]
fn a_bundle_is_tried_on_a_record_and_the_difference_is_told() {
    let policy = default_policy();
    let record = policy.decide(&money("aws", "cloud", 100_000)).unwrap();
    let same = coppice_policy::CedarPolicy::new(of_version("2")).unwrap();
    let difference = replay(&record, &same);
    assert!(!difference.is_change());
    assert_eq!((difference.before, difference.after), (Verdict::Allowed, Verdict::Allowed));
    assert_eq!(difference.to.unwrap().version, "2");

    let lower = "[tenants.\"*\"]\nmerchants = [\"*\"]\ncategories = [\"*\"]\n\
                 ceilings = { USD = \"999.99\" }\n";
    let difference = replay(&record, &with_data(lower));
    assert!(difference.is_change());
    assert_eq!(difference.after, denied("over_ceiling"));

    let difference = replay(&record, &NoPolicy);
    assert!(difference.is_change());
    assert!(matches!(difference.after, Verdict::Unavailable { .. }));
    assert_eq!(difference.to, None);
}

#[test]
fn a_denial_for_another_reason_is_no_change() {
    let record = default_policy().decide(&money("aws", "gambling", 1)).unwrap();
    let nothing = with_data("");
    let difference = replay(&record, &nothing);
    assert_eq!(difference.before, denied("category_denied"));
    assert_eq!(difference.after, denied("merchant_not_allowed"));
    assert!(!difference.is_change());
}

#[test]
fn a_record_out_of_history_is_asked_as_it_was() {
    let record = default_policy().decide(&money("aws", "cloud", 7)).unwrap();
    let text = serde_json::to_string(&record).unwrap();
    let read = serde_json::from_str(&text).unwrap();
    assert_eq!(replay(&read, &default_policy()), replay(&record, &default_policy()));
    let difference = serde_json::to_value(replay(&read, &default_policy())).unwrap();
    assert_eq!(difference["before"], "allowed");
}
