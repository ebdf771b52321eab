//! The append on PostgreSQL: a batch of units as arrays, handed to `coppice_append` in one call.
//!
//! The procedure checks, writes and commits; its text is in the migrations. Its answer speaks of
//! appends by their number and is turned back into units here.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use coppice_core::CommandId;
use sqlx::PgPool;

use super::classify;
use super::columns::Columns;
use crate::error::StoreError;
use crate::sql::rows;
use crate::store::{Refusal, Unit, UnitOutcome};

/// How long an answer is waited for. The server's own limits end a call sooner; this is for a
/// server that vanished without closing the connection, which TCP alone notices after a quarter of
/// an hour. What became of the append is then unknown, and handing it in again settles it.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);

/// The parameters are those of [`Columns::arguments`]; what the procedure gives back has to be
/// named too, as nulls.
const CALL: &str = "CALL coppice_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, \
     $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, \
     $27, $28, $29, $30, $31, $32, $33, NULL, NULL, NULL, NULL)";

/// Where errors say that an answer of the procedure does not read.
const ANSWER: &str = "coppice_append";

/// Faulty appends by number, the reason of each, and the command records that were there before, by
/// the number of their append and their id. Each is null where there is none.
type Answer = (Option<Vec<i64>>, Option<Vec<String>>, Option<Vec<i64>>, Option<Vec<Vec<u8>>>);

/// As [`Journal::append`](crate::store::Journal::append), of units that were checked.
///
/// One statement, so that there is nothing between statements for a caller that is cancelled to
/// leave open. A caller that goes away leaves a call that commits or doesn't, as one that dies.
pub(crate) async fn append(pool: &PgPool, units: &[Unit]) -> Result<Vec<UnitOutcome>, StoreError> {
    let during = "appending";
    let arguments = Columns::of(units)?.arguments()?;
    let acquired = pool.acquire().await;
    let mut connection = acquired.map_err(|error| classify(during, error))?;
    let call = sqlx::query_as_with(CALL, arguments).fetch_one(&mut *connection);
    let Ok(answered) = tokio::time::timeout(ANSWER_WAIT_MAX, call).await else {
        // Closed, not given back: whoever took it from the pool would wait for the same answer.
        drop(connection.detach());
        let source = sqlx::Error::Io(io::ErrorKind::TimedOut.into());
        return Err(StoreError::Unavailable { during, source });
    };
    let answer: Answer = answered.map_err(|error| classify(during, error))?;
    outcomes(units, &answer)
}

fn outcomes(units: &[Unit], answer: &Answer) -> Result<Vec<UnitOutcome>, StoreError> {
    let mut outcomes = vec![UnitOutcome::Committed; units.len()];
    let (Some(refused), Some(reasons), ..) = answer else {
        return Ok(outcomes);
    };
    let mut duplicates = duplicates(answer)?;
    let places: Vec<(usize, usize)> = units
        .iter()
        .enumerate()
        .flat_map(|(unit, of)| (0..of.appends.len()).map(move |index| (unit, index)))
        .collect();
    for (number, reason) in refused.iter().zip(reasons) {
        let place = usize::try_from(number - 1).ok().and_then(|index| places.get(index));
        let Some((unit, index)) = place.copied() else {
            return Err(rows::unreadable(ANSWER, format!("there is no append {number}")));
        };
        let refusal = match reason.as_str() {
            "epoch" => Refusal::Epoch,
            "head" => Refusal::Head,
            "duplicate" => Refusal::Duplicate(duplicates.remove(number).unwrap_or_default()),
            other => return Err(rows::unreadable(ANSWER, format!("{other} is no reason"))),
        };
        match &mut outcomes[unit] {
            UnitOutcome::Refused(refusals) => refusals.push((index, refusal)),
            committed @ UnitOutcome::Committed => {
                *committed = UnitOutcome::Refused(vec![(index, refusal)]);
            }
        }
    }
    Ok(outcomes)
}

fn duplicates(answer: &Answer) -> Result<BTreeMap<i64, Vec<CommandId>>, StoreError> {
    let mut duplicates: BTreeMap<i64, Vec<CommandId>> = BTreeMap::new();
    if let (_, _, Some(numbers), Some(ids)) = answer {
        for (number, id) in numbers.iter().zip(ids) {
            duplicates.entry(*number).or_default().push(CommandId(rows::uuid(ANSWER, id)?));
        }
    }
    Ok(duplicates)
}

#[cfg(test)]
mod tests {
    use coppice_core::{EntityId, EntityKind, Epoch, ShardId, StreamHead, StreamKey, TenantId};
    use uuid::Uuid;

    use super::*;
    use crate::store::StreamAppend;

    fn unit(appends: usize) -> Unit {
        let key = StreamKey::new(
            TenantId::new("t").unwrap(),
            EntityKind::new("counter").unwrap(),
            EntityId::new("a").unwrap(),
        );
        let append = StreamAppend {
            shard: ShardId(0),
            epoch: Epoch(1),
            expected: StreamHead::genesis(&key),
            key,
            events: Vec::new(),
            commands: Vec::new(),
            wake_at: None,
            owes: false,
            waits_as_before: false,
        };
        Unit { appends: vec![append; appends] }
    }

    #[test]
    fn refusals_find_their_way_back_to_units() {
        let units = [unit(1), unit(3), unit(1)];
        let id = Uuid::from_u128(7);
        let answer = (
            Some(vec![2, 4]),
            Some(vec!["head".to_owned(), "duplicate".to_owned()]),
            Some(vec![2, 4]),
            Some(vec![Uuid::from_u128(6).into_bytes().to_vec(), id.into_bytes().to_vec()]),
        );
        assert_eq!(
            outcomes(&units, &answer).unwrap(),
            [
                UnitOutcome::Committed,
                UnitOutcome::Refused(vec![
                    (0, Refusal::Head),
                    (2, Refusal::Duplicate(vec![CommandId(id)]))
                ]),
                UnitOutcome::Committed,
            ]
        );
    }

    #[test]
    fn an_answer_that_does_not_read_is_an_error() {
        let reasons = |reason: &str| Some(vec![reason.to_owned()]);
        for answer in [
            (Some(vec![2]), reasons("head"), None, None),
            (Some(vec![0]), reasons("head"), None, None),
            (Some(vec![1]), reasons("mood"), None, None),
        ] {
            let error = outcomes(&[unit(1)], &answer).unwrap_err();
            assert!(matches!(error, StoreError::Unreadable { .. }), "got {error:?}");
        }
    }
}
