//! What a database holds once the process that wrote it is gone.

use crate::attempts::{message, tried};
use crate::backend::Opened;
use crate::dead_letters::{letter, owned};
use crate::fixture::*;
use crate::subject_keys::{end, key_row, subject};

/// Counts go on from where they were.
pub(crate) async fn counts_survive_reconnecting(opened: Opened) {
    let all = [1, 2].map(|number| message(&key("x"), number));
    opened.store.count_attempts(&tried(&[all[0], all[1], all[0]]), NOW).await.unwrap();
    let opened = opened.again().await;
    assert_eq!(opened.store.count_attempts(&tried(&all), NOW).await.unwrap(), [3, 2]);
    opened.store.drop_attempts(&tried(&all[..1])).await.unwrap();
    let opened = opened.again().await;
    assert_eq!(opened.store.count_attempts(&tried(&all), NOW).await.unwrap(), [1, 3]);
}

/// Letters are there as they were, and numbers go on behind those that are gone.
pub(crate) async fn letters_survive_reconnecting(opened: Opened) {
    for number in 1..=3 {
        assert!(opened.store.put_dead_letter(&letter(number, "acme")).await.unwrap());
    }
    let before = opened.store.dead_letters(None, 0, 9).await.unwrap();
    let (shard, epoch) = owned(&*opened.store).await;
    assert!(opened.store.remove_dead_letter(before[2].id, shard, epoch).await.unwrap());
    let opened = opened.again().await;
    assert_eq!(opened.store.dead_letters(None, 0, 9).await.unwrap(), before[..2]);
    assert!(!opened.store.put_dead_letter(&letter(1, "acme")).await.unwrap());
    assert!(opened.store.put_dead_letter(&letter(4, "acme")).await.unwrap());
    let after = opened.store.dead_letters(None, before[2].number, 9).await.unwrap();
    assert_eq!(after.len(), 1);
    assert_eq!(after[0].id, letter(4, "acme").id);
}

/// A record's sender, and whether the sender owes.
pub(crate) async fn senders_survive_reconnecting(opened: Opened) {
    let pen = claim(&*opened.store, "a").await;
    let sender = pen.begin(&key("sender")).event("1").owes(true);
    let sent = coppice_persistence::CommandRecord {
        sender: Some(key("sender").stream()),
        ..record(1, coppice_core::Sequence(0))
    };
    let units = [sender.unit(), pen.begin(&key("c")).record(sent.clone()).command(2).unit()];
    commit(&*opened.store, &units).await;
    let opened = opened.again().await;
    let recent = opened.store.recent_commands(&key("c"), 9).await.unwrap();
    assert_eq!(recent.last(), Some(&sent));
    assert_eq!(opened.store.drop_commands(at(i64::MAX), 9).await.unwrap(), 1);
    let found = opened.store.command(&key("c"), sent.command_id).await.unwrap();
    assert_eq!(found, Some(sent));
}

/// A destroyed key stays destroyed, a key stays as it was, and neither can be put anew.
pub(crate) async fn destroyed_keys_stay_so_after_reconnecting(opened: Opened) {
    for name in ["gone", "there"] {
        opened.store.put_subject_key(&key_row("acme", name)).await.unwrap();
    }
    opened.store.destroy_subject_key(&tenant("acme"), &subject("gone"), &end(1)).await.unwrap();
    let opened = opened.again().await;
    for (name, wrapped) in [("gone", None), ("there", key_row("acme", "there").wrapped)] {
        let other =
            coppice_persistence::SubjectKeyRow { key_id: "key_2".into(), ..key_row("acme", name) };
        assert_eq!(opened.store.put_subject_key(&other).await.unwrap().wrapped, wrapped);
    }
}
