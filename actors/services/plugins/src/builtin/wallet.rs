//! Wallets: whoever says what they hold and sends from them.

use std::collections::BTreeMap;
use std::fmt;

use coppice_core::hash::Hasher;
use coppice_plugin_sdk::{BoxFuture, Health};
use thiserror::Error;

use super::amount::{Amount, Asset};

/// A transfer that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// From which wallet.
    pub from: String,
    /// To which address.
    pub to: String,
    /// How much.
    pub amount: Amount,
    /// What a repeat is known by: it is sent once.
    pub key: String,
}

/// A transfer that was made, or is as good as made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub tx_hash: String,
    /// How it stands, such as `simulated` or `pending`.
    pub status: String,
}

/// Why a wallet does not do it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WalletError {
    /// There is no such wallet.
    #[error("there is no wallet {0:?}")]
    Unknown(String),
    /// It holds less.
    #[error("the wallet holds {holds} {asset} and not {asked}", asset = .asset.asset)]
    Insufficient {
        /// What it holds.
        holds: String,
        /// What was asked for.
        asked: String,
        /// Of what.
        asset: Asset,
    },
    /// It holds something else.
    #[error("the wallet holds {0} and nothing else")]
    OtherAsset(&'static str),
    /// Whoever keeps it can't be asked for now.
    #[error("the wallets can not be reached: {0}")]
    Away(String),
}

/// Keeps wallets.
pub trait WalletProvider: fmt::Debug + Send + Sync + 'static {
    /// What it is called in outputs.
    fn name(&self) -> &'static str;

    /// Whether it is all made up.
    fn is_simulated(&self) -> bool;

    /// How it is.
    fn health(&self) -> Health {
        Health::Healthy
    }

    /// What a wallet holds.
    fn balance<'a>(&'a self, wallet: &'a str) -> BoxFuture<'a, Result<Amount, WalletError>>;

    /// Sends; a repeat with the same key gives the first receipt.
    fn send<'a>(&'a self, transfer: &'a Transfer) -> BoxFuture<'a, Result<Receipt, WalletError>>;
}

/// The wallet that the simulation has.
pub const SAMPLE_WALLET: &str = "0x1234567890abcdef";

/// What it holds: 1,000 ETH.
const SAMPLE_MINOR: i64 = 1_000_000_000_000;

/// Made-up wallets, for trying things out. It sends nothing anywhere and keeps no books: a wallet
/// holds the same after a transfer as before.
#[derive(Debug, Clone)]
pub struct SimulatedWallets(BTreeMap<String, Amount>);

impl Default for SimulatedWallets {
    fn default() -> Self {
        let amount = Amount { minor: SAMPLE_MINOR, asset: Asset::ETH };
        Self([(SAMPLE_WALLET.to_owned(), amount)].into())
    }
}

impl SimulatedWallets {
    fn held(&self, wallet: &str) -> Result<Amount, WalletError> {
        let held = self.0.get(wallet).copied();
        held.ok_or_else(|| WalletError::Unknown(wallet.to_owned()))
    }

    fn sent(&self, transfer: &Transfer) -> Result<Receipt, WalletError> {
        let (held, asked) = (self.held(&transfer.from)?, transfer.amount);
        if held.asset != asked.asset {
            return Err(WalletError::OtherAsset(held.asset.asset));
        }
        if asked.minor > held.minor {
            let (holds, asset) = (held.text(), held.asset);
            return Err(WalletError::Insufficient { holds, asked: asked.text(), asset });
        }
        // Of the key alone: what else is asked under it is the same by definition of a key.
        let hash = Hasher::new("coppice.simulated_transaction.v1").text(&transfer.key).finish();
        Ok(Receipt { tx_hash: format!("0x{hash}"), status: "simulated".to_owned() })
    }
}

impl WalletProvider for SimulatedWallets {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn is_simulated(&self) -> bool {
        true
    }

    fn balance<'a>(&'a self, wallet: &'a str) -> BoxFuture<'a, Result<Amount, WalletError>> {
        Box::pin(std::future::ready(self.held(wallet)))
    }

    fn send<'a>(&'a self, transfer: &'a Transfer) -> BoxFuture<'a, Result<Receipt, WalletError>> {
        Box::pin(std::future::ready(self.sent(transfer)))
    }
}
