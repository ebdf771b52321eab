//! A vault whose keys a test can destroy. It hides the text and proves nothing about secrecy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use coppice_core::SubjectId;
use coppice_core::sensitive::{Sealed, Vault};

/// One key per subject, until it is destroyed. Two seals of one text differ, as with a nonce.
#[derive(Debug, Default)]
pub struct TestVault {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seals: BTreeMap<SubjectId, u8>,
    destroyed: BTreeSet<SubjectId>,
}

impl TestVault {
    /// Destroys the key of a subject: what was sealed under it is erased.
    pub fn destroy(&self, subject: &str) {
        let subject = SubjectId::new(subject).expect("the test uses valid subjects");
        self.lock().destroyed.insert(subject);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for TestVault {
    fn seal(&self, subject: &SubjectId, plain: &[u8]) -> Result<Sealed, String> {
        let mut state = self.lock();
        if state.destroyed.contains(subject) {
            return Err("the key of the subject is destroyed".to_owned());
        }
        let nonce = state.seals.entry(subject.clone()).or_insert(0);
        *nonce = nonce.wrapping_add(1);
        let sealed = std::iter::once(*nonce)
            .chain(plain.iter().map(|byte| byte ^ 0xa5 ^ *nonce))
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        Ok(Sealed { key_id: format!("key_{}", subject.as_str()).into(), text: sealed.into() })
    }

    fn open(&self, subject: &SubjectId, sealed: &Sealed) -> Result<Option<Vec<u8>>, String> {
        if self.lock().destroyed.contains(subject) {
            return Ok(None);
        }
        let byte = |at: usize| {
            let digits = sealed.text.get(at..at + 2).ok_or("half a byte")?;
            u8::from_str_radix(digits, 16).map_err(|error| error.to_string())
        };
        let nonce = byte(0)?;
        (2..sealed.text.len())
            .step_by(2)
            .map(|at| byte(at).map(|byte| byte ^ 0xa5 ^ nonce))
            .collect::<Result<_, String>>()
            .map(Some)
    }
}
