//! The keys of personal data.

use std::collections::BTreeSet;

use async_trait::async_trait;
use coppice_core::{SubjectId, TenantId};
use coppice_persistence::{Destroyed, StoreError, SubjectKeyRow, SubjectKeys, WrappedKey};

use super::MemoryStore;
use super::faults::Point;

#[async_trait]
impl SubjectKeys for MemoryStore {
    async fn put_subject_key(&self, key: &SubjectKeyRow) -> Result<SubjectKeyRow, StoreError> {
        self.faults.pass(Point::SubjectKeys, "putting a subject's key").await?;
        let place = (key.tenant.clone(), key.subject.clone());
        let mut database = self.database.lock();
        Ok(database.subject_keys.entry(place).or_insert_with(|| key.clone()).clone())
    }

    async fn subject_keys(
        &self,
        tenant: &TenantId,
        subjects: &[SubjectId],
    ) -> Result<Vec<SubjectKeyRow>, StoreError> {
        self.faults.pass(Point::SubjectKeys, "reading subjects' keys").await?;
        let database = self.database.lock();
        let found = subjects.iter().filter_map(|subject| {
            database.subject_keys.get(&(tenant.clone(), subject.clone())).cloned()
        });
        Ok(found.collect())
    }

    async fn destroy_subject_key(
        &self,
        tenant: &TenantId,
        subject: &SubjectId,
        end: &Destroyed,
    ) -> Result<SubjectKeyRow, StoreError> {
        self.faults.pass(Point::SubjectKeys, "destroying a subject's key").await?;
        let mut database = self.database.lock();
        let row =
            database.subject_keys.entry((tenant.clone(), subject.clone())).or_insert_with(|| {
                SubjectKeyRow {
                    tenant: tenant.clone(),
                    subject: subject.clone(),
                    key_id: "".into(),
                    wrapped: None,
                    created_at: end.at,
                    destroyed: None,
                }
            });
        row.wrapped = None;
        row.destroyed.get_or_insert_with(|| end.clone());
        Ok(row.clone())
    }

    async fn outer_keys(&self) -> Result<Vec<String>, StoreError> {
        self.faults.pass(Point::SubjectKeys, "reading what keys are wrapped under").await?;
        let database = self.database.lock();
        let wrapped = database.subject_keys.values().filter_map(|row| row.wrapped.as_ref());
        let under: BTreeSet<_> = wrapped.map(|wrapped| wrapped.under.to_string()).collect();
        Ok(under.into_iter().collect())
    }

    async fn keys_wrapped_under(
        &self,
        under: &str,
        limit: usize,
    ) -> Result<Vec<SubjectKeyRow>, StoreError> {
        self.faults.pass(Point::SubjectKeys, "reading keys to wrap anew").await?;
        let database = self.database.lock();
        let is_under = |row: &&SubjectKeyRow| {
            row.wrapped.as_ref().is_some_and(|wrapped| wrapped.under.as_ref() == under)
        };
        Ok(database.subject_keys.values().filter(is_under).take(limit).cloned().collect())
    }

    async fn rewrap_subject_key(
        &self,
        read: &SubjectKeyRow,
        wrapped: &WrappedKey,
    ) -> Result<bool, StoreError> {
        self.faults.pass(Point::SubjectKeys, "wrapping a subject's key anew").await?;
        let mut database = self.database.lock();
        let place = (read.tenant.clone(), read.subject.clone());
        match database.subject_keys.get_mut(&place) {
            Some(row) if row.wrapped.is_some() && row.wrapped == read.wrapped => {
                row.wrapped = Some(wrapped.clone());
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }
}
