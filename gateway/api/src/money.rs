//! Requests and answers of `/v1/money` and `/v1/ledger`.
//!
//! Amounts are whole numbers of minor units, such as cents, of any size: read them as big integers
//! where an asset has many decimal places, or take the exact decimal that stands beside them. A
//! request may give one as its digits in text.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize};

/// A whole number of minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(transparent)]
pub struct MinorUnits(pub i128);

impl<'de> Deserialize<'de> for MinorUnits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrDigits).map(Self)
    }
}

struct NumberOrDigits;

impl Visitor<'_> for NumberOrDigits {
    type Value = i128;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number of minor units, or its digits as text")
    }

    fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<i128, E> {
        Ok(units.into())
    }

    fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<i128, E> {
        Ok(units.into())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<i128, E> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(E::custom("an amount is a whole number of minor units"));
        }
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for MinorUnits {
    fn schema_name() -> Cow<'static, str> {
        "MinorUnits".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number of minor units, such as cents, of any size. In a \
                request it may be given as its digits in text.",
            "oneOf": [
                { "type": "integer" },
                { "type": "string", "pattern": "^-?[0-9]{1,38}$" },
            ],
        })
    }
}

/// An account to be opened: a funding account, or the budget of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// What its amounts are of, such as `USD/2`; `USD` for short.
    pub asset: String,
    /// What a funding account is called where the tenant has several of the asset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Makes it the budget of this workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// What the workflow may spend in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<MinorUnits>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountView {
    /// The account.
    pub id: String,
    /// `funding`, `external` or `limit`.
    pub class: String,
    /// What its amounts are of.
    pub asset: String,
    /// What is there; of a limit, what is used up.
    pub balance: MinorUnits,
    /// The same as an exact decimal.
    pub decimal: String,
    /// What is set aside to be paid, or drawn on a limit.
    pub held_out: MinorUnits,
    /// What is set aside for it.
    pub held_in: MinorUnits,
    /// What a funding account can still promise, or a limit still take; `null` for others.
    pub available: Option<MinorUnits>,
    /// The ceiling of a limit.
    pub ceiling: Option<MinorUnits>,
    /// How many reservations are open on it.
    pub holds: u64,
}

/// Money that comes in from the world, or goes from one funding account to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTransfer {
    /// The account that pays; the world where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The funding account that is paid.
    pub to: String,
    /// How much.
    pub amount: MinorUnits,
    /// For which workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
}

/// A movement that happened at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferView {
    /// The transfer.
    pub id: String,
    /// The account that paid.
    pub from: String,
    /// The account that was paid.
    pub to: String,
    /// What it is of.
    pub asset: String,
    /// How much.
    pub amount: MinorUnits,
    /// The same as an exact decimal.
    pub decimal: String,
    /// `posted`.
    pub status: String,
}

/// What somebody wants to spend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIntent {
    /// How much.
    pub amount: MinorUnits,
    /// Of what, such as `USD/2`; `USD` for short.
    pub asset: String,
    /// Who is paid.
    pub merchant: String,
    /// For what kind of thing.
    pub category: String,
    /// For how long it can be authorized and posted.
    pub ttl_seconds: u32,
    /// For which workflow, whose budget it then draws on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<String>,
    /// The funding account, where it isn't the asset's only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// An intent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IntentView {
    /// The intent.
    pub id: String,
    /// `created`, `approved`, `denied`, `posted`, `voided` or `expired`.
    pub status: String,
    /// `approved` or `denied`; `null` before it is decided.
    pub decision: Option<String>,
    /// Why; `null` before it is decided.
    pub reason_code: Option<String>,
    /// How much is wanted.
    pub amount: MinorUnits,
    /// The same as an exact decimal.
    pub decimal: String,
    /// Of what.
    pub asset: String,
    /// How much of it was spent.
    pub posted: MinorUnits,
    /// Who is paid.
    pub merchant: String,
    /// For what kind of thing.
    pub category: String,
    /// For which workflow.
    pub workflow_id: Option<String>,
    /// The account that pays.
    pub from: String,
    /// The account that is paid.
    pub to: String,
    /// From when on it can't be authorized or posted, in microseconds since 1970.
    pub expires_at: i64,
}

/// Which intent is to be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Authorization {
    /// The intent.
    pub intent_id: String,
}

/// What an authorization came to. It stays so, however often it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuthorizationDecision {
    /// The intent.
    pub intent_id: String,
    /// `approved` or `denied`.
    pub decision: String,
    /// Why: `approved`, or one of the reasons for a denial.
    pub reason_code: String,
}

/// How much of a reservation is to be spent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Posting {
    /// How much; all of it where it is absent. The rest is given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<MinorUnits>,
}

/// A body with nothing in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// How a reservation has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SettledIntent {
    /// The intent.
    pub intent_id: String,
    /// `posted`, `voided` or `expired`.
    pub status: String,
    /// How much was spent.
    pub posted: MinorUnits,
}

/// The transfers of a workflow, in order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerView {
    /// The transfers.
    pub transfers: Vec<LedgerTransfer>,
    /// What all transfers of the workflow come to, by asset.
    pub sums: Vec<LedgerSum>,
    /// What to ask for the next page with; none where this is the last.
    pub next_cursor: Option<String>,
}

/// A transfer with both of its entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerTransfer {
    /// The transfer; the intent's id where there was one.
    pub id: String,
    /// The account that pays.
    pub from: String,
    /// The account that is paid.
    pub to: String,
    /// What it is of.
    pub asset: String,
    /// How much, as it was reserved.
    pub amount: MinorUnits,
    /// The same as an exact decimal.
    pub decimal: String,
    /// `pending`, `posted`, `voided` or `expired`.
    pub status: String,
    /// How much of it moved.
    pub posted: MinorUnits,
    /// Who is paid, where there was an intent.
    pub merchant: Option<String>,
    /// For what kind of thing, where there was an intent.
    pub category: Option<String>,
    /// When it began, in microseconds since 1970.
    pub began_at: i64,
    /// When it ended, in microseconds since 1970.
    pub ended_at: Option<i64>,
    /// Both sides of it, once it moved.
    pub entries: Vec<LedgerEntry>,
}

/// One side of a transfer, as its account recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerEntry {
    /// The account.
    pub account: String,
    /// The account on the other side.
    pub other: String,
    /// How much came; negative where it went.
    pub amount: MinorUnits,
    /// What was there after it.
    pub balance: MinorUnits,
    /// When, in microseconds since 1970.
    pub at: i64,
}

/// What a workflow's transfers come to, in one asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LedgerSum {
    /// The asset.
    pub asset: String,
    /// How many transfers.
    pub transfers: u64,
    /// What was spent.
    pub posted: MinorUnits,
    /// What is set aside.
    pub pending: MinorUnits,
    /// All entries together: 0.
    pub entries: MinorUnits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_from_numbers_and_digits_and_written_as_numbers() {
        let read = |text: &str| serde_json::from_str::<MinorUnits>(text).map(|units| units.0);
        assert_eq!(read("12").unwrap(), 12);
        assert_eq!(read("\"-12\"").unwrap(), -12);
        assert_eq!(read("\"1000000000000000000000\"").unwrap(), 1_000_000_000_000_000_000_000);
        for text in ["1.0", "1e3", "\"\"", "\"1.0\"", "\"+1\"", "\"0x1\"", "null", "true"] {
            assert!(read(text).is_err(), "{text}");
        }
        let large = MinorUnits(1_000_000_000_000_000_000_000);
        assert_eq!(serde_json::to_string(&large).unwrap(), "1000000000000000000000");
    }
}
