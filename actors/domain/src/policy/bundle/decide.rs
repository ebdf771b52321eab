//! What becomes of a publication.

use coppice_core::{Decision, Timestamp};

use super::command::{Command, Publish};
use super::error::{BUNDLE_BYTES_MAX, PublishError, REASON_BYTES_MAX};
use super::event::{Event, Published};
use super::state::{Reply, State};

pub(super) fn decide(
    state: &State,
    command: &Command,
    now: Timestamp,
) -> Result<Decision<Event, Reply>, PublishError> {
    let Command::Publish(publish) = command;
    let Publish { files, version, reason, by } = publish;
    if reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX {
        return Err(PublishError::Reason);
    }
    if files.bytes() > BUNDLE_BYTES_MAX {
        return Err(PublishError::TooLarge);
    }
    let hash = files.hash();
    if state.hash_of(version).is_some_and(|known| known != &*hash) {
        return Err(PublishError::VersionReused(version.as_str().into()));
    }
    let number = state.latest.as_ref().map_or(0, |latest| latest.number);
    if state.latest.as_ref().is_some_and(|latest| latest.hash == hash) {
        return Ok(Decision { events: Vec::new(), reply: Reply { number, hash, changed: false } });
    }
    let published = Published {
        number: number + 1,
        version: version.as_str().into(),
        hash: hash.clone(),
        files: files.clone(),
        reason: reason.as_str().into(),
        by: by.as_str().into(),
        at: now,
    };
    let reply = Reply { number: published.number, hash, changed: true };
    Ok(Decision { events: vec![Event::Published(published)], reply })
}

#[cfg(test)]
mod tests {
    use coppice_core::{Access, CommandError, DomainEvent, Entity};
    use proptest::prelude::*;

    use super::super::PublishedBundle;
    use super::super::event::Files;
    use super::super::state::{EARLIER_MAX, evolve};
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(7);

    fn files(data: &str) -> Files {
        let text = |text: &str| text.into();
        Files { title: text("t"), data: text(data), policies: text("p"), schema: text("s") }
    }

    fn publish(version: &str, data: &str) -> Command {
        Command::Publish(Publish {
            files: files(data),
            version: version.to_owned(),
            reason: "because".to_owned(),
            by: "api key 1".to_owned(),
        })
    }

    fn told(state: State, version: &str, data: &str) -> Result<(State, Reply), PublishError> {
        let decision = decide(&state, &publish(version, data), NOW)?;
        let after = decision.events.iter().fold(state, |state, event| {
            let text = event.encode().unwrap();
            assert_eq!(&Event::decode(event.event_type(), &text).unwrap(), event);
            evolve(state, event)
        });
        let latest = after.latest.as_ref().unwrap();
        assert_eq!((latest.number, &latest.hash), (decision.reply.number, &decision.reply.hash));
        assert_eq!(latest.hash, latest.files.hash());
        Ok((after, decision.reply))
    }

    #[test]
    fn given_a_bundle_when_another_is_published_then_it_decides_and_the_first_is_kept_by_name() {
        let (state, first) = told(State::default(), "1", "a").unwrap();
        assert_eq!((first.number, first.changed), (1, true));
        let (state, again) = told(state, "1", "a").unwrap();
        assert_eq!((again.number, again.changed), (1, false));
        let (state, second) = told(state, "2", "b").unwrap();
        assert_eq!((second.number, state.earlier.len()), (2, 1));
        assert_eq!((state.earlier[0].number, &state.earlier[0].hash), (1, &first.hash));
        let (state, back) = told(state, "1", "a").unwrap();
        assert_eq!((back.number, &back.hash), (3, &first.hash), "going back is a publication");
        let latest = state.latest.unwrap();
        assert_eq!((&*latest.reason, &*latest.by, latest.at), ("because", "api key 1", NOW));
    }

    #[test]
    fn given_a_version_when_it_comes_with_other_content_then_it_is_refused_however_long_ago() {
        let (state, _) = told(State::default(), "1", "a").unwrap();
        let reused = || Err(PublishError::VersionReused("1".into()));
        assert_eq!(told(state.clone(), "1", "b").map(drop), reused());
        let (state, _) = told(state, "2", "b").unwrap();
        assert_eq!(told(state, "1", "b").map(drop), reused());
    }

    #[test]
    fn sizes_and_reasons_are_bounded() {
        let rest = files("").bytes();
        let full = "x".repeat(BUNDLE_BYTES_MAX - rest);
        assert!(told(State::default(), "1", &full).is_ok());
        let over = told(State::default(), "1", &format!("{full}x")).map(drop);
        assert_eq!(over, Err(PublishError::TooLarge));
        for (reason, fits) in [("", false), (" ", false), ("r", true)] {
            let Command::Publish(publish) = publish("1", "a");
            let publish = Command::Publish(Publish { reason: reason.to_owned(), ..publish });
            assert_eq!(decide(&State::default(), &publish, NOW).is_ok(), fits, "{reason:?}");
        }
        let Command::Publish(long) = publish("1", "a");
        let long = Command::Publish(Publish { reason: "r".repeat(1 + REASON_BYTES_MAX), ..long });
        assert_eq!(decide(&State::default(), &long, NOW).map(drop), Err(PublishError::Reason));
    }

    #[test]
    fn only_the_platform_publishes_and_bodies_are_read_strictly() {
        assert_eq!(PublishedBundle::ACCESS, Access::Platform);
        let files = r#"{"title":"","data":"","policies":"","schema":""}"#;
        let whole = format!(r#"{{"files":{files},"version":"1","reason":"r","by":"b"}}"#);
        assert!(PublishedBundle::parse("publish", whole.as_bytes()).is_ok());
        for wrong in [
            "{}".to_owned(),
            whole.replace(r#""by":"b""#, r#""by":"b","x":1"#),
            whole.replace(r#""title":"","#, ""),
            whole.replace(r#""data":"""#, r#""data":"","more":"""#),
        ] {
            let parsed = PublishedBundle::parse("publish", wrong.as_bytes());
            assert!(matches!(parsed, Err(CommandError::Body(_))), "{wrong}: {parsed:?}");
        }
        let parsed = PublishedBundle::parse("withdraw", whole.as_bytes());
        assert!(matches!(parsed, Err(CommandError::UnknownCommand(_))));
    }

    proptest! {
        #[test]
        fn numbers_count_up_and_no_version_that_is_kept_comes_to_mean_two_things(
            steps in prop::collection::vec((0_u8..4, 0_u8..4), 1..80),
        ) {
            let mut state = State::default();
            let mut meant = std::collections::BTreeMap::new();
            let mut number = 0;
            for (version, data) in steps {
                let known = *meant.get(&version).unwrap_or(&data);
                let before = state.latest.as_ref().map(|latest| latest.hash.clone());
                match told(state.clone(), &version.to_string(), &data.to_string()) {
                    Ok((after, reply)) => {
                        prop_assert_eq!(known, data);
                        // Two versions of one content are one bundle only where the title says so.
                        number += u64::from(before.as_ref() != Some(&reply.hash));
                        prop_assert_eq!(reply.number, number);
                        if reply.changed {
                            meant.insert(version, data);
                        }
                        state = after;
                    }
                    Err(PublishError::VersionReused(_)) => prop_assert_ne!(known, data),
                    Err(other) => prop_assert!(false, "{other:?}"),
                }
            }
            prop_assert!(state.earlier.len() <= EARLIER_MAX);
        }
    }
}
