//! The lists of a bundle as Cedar knows them, made once and shared by all its decisions.
//!
//! **Invariant:** `Tenant::"*"` is always there, so that policies may name it.

use std::collections::{BTreeMap, HashMap, HashSet};

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use crate::amount::{Decimal, SCALE_MAX};
use crate::bundle::Fault;
use crate::cedar::Names;
use crate::data::{ANY, ActionData, Data, RoleData, TenantData};

type Attributes = HashMap<String, RestrictedExpression>;

/// Everything that `data.toml` says.
pub(crate) fn entities(
    data: &Data,
    names: &Names,
    schema: &cedar_policy::Schema,
) -> Result<Entities, Fault> {
    let nobody = TenantData::default();
    let for_all = (!data.tenants.contains_key(ANY)).then_some((ANY, &nobody));
    let tenants = data.tenants.iter().map(|(id, data)| (id.as_str(), data)).chain(for_all);
    let mut all = Vec::new();
    for (id, data) in tenants {
        all.push(made(&names.tenant, id, tenant(data, names), tags(&data.ceilings))?);
    }
    for (id, data) in &data.roles {
        all.push(made(&names.role, id, role(data, names), HashMap::new())?);
    }
    for (id, data) in &data.actions {
        all.push(made(&names.action_type, id, action(data), tags(&data.ceilings))?);
    }
    Entities::from_entities(all, Some(schema)).map_err(|error| misfit(&error))
}

fn made(
    kind: &EntityTypeName,
    id: &str,
    attributes: Attributes,
    tags: Attributes,
) -> Result<Entity, Fault> {
    let uid = uid(kind, id);
    Entity::new_with_tags(uid, attributes, HashSet::new(), tags).map_err(|error| misfit(&error))
}

/// The data has a fixed form; a schema of another one doesn't take it.
fn misfit(error: &dyn std::error::Error) -> Fault {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Fault::schema(format!("it does not take what data.toml holds: {error}{cause}"))
}

pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn tenant(data: &TenantData, names: &Names) -> Attributes {
    let (any_plugin, plugins) = open(&data.plugins);
    let (any_merchant, merchants) = open(&data.merchants);
    let (any_category, categories) = open(&data.categories);
    let (with_capability, whole): (Vec<_>, Vec<_>) =
        plugins.into_iter().partition(|plugin| plugin.contains(':'));
    let capabilities = with_capability.into_iter().filter_map(|text| {
        let (plugin, capability) = text.split_once(':')?;
        let plugin = RestrictedExpression::new_entity_uid(uid(&names.plugin, plugin));
        let capability = RestrictedExpression::new_string(capability.to_owned());
        let pair = [("plugin".to_owned(), plugin), ("capability".to_owned(), capability)];
        // Two names that differ make a record.
        RestrictedExpression::new_record(pair).ok()
    });
    let flag = RestrictedExpression::new_bool;
    Attributes::from([
        ("plugins".to_owned(), references(&names.plugin, whole)),
        ("capabilities".to_owned(), RestrictedExpression::new_set(capabilities)),
        ("any_plugin".to_owned(), flag(any_plugin)),
        ("plugins_denied".to_owned(), references(&names.plugin, all(&data.plugins_denied))),
        ("merchants".to_owned(), references(&names.merchant, merchants)),
        ("any_merchant".to_owned(), flag(any_merchant)),
        ("merchants_denied".to_owned(), references(&names.merchant, all(&data.merchants_denied))),
        ("categories".to_owned(), texts(categories)),
        ("any_category".to_owned(), flag(any_category)),
        ("categories_denied".to_owned(), texts(all(&data.categories_denied))),
    ])
}

fn role(data: &RoleData, names: &Names) -> Attributes {
    Attributes::from([("tools".to_owned(), references(&names.tool, all(&data.tools)))])
}

fn action(data: &ActionData) -> Attributes {
    let flag = RestrictedExpression::new_bool;
    Attributes::from([
        ("allowed".to_owned(), flag(data.allowed)),
        ("risk".to_owned(), RestrictedExpression::new_string(data.risk.name().to_owned())),
        ("approval".to_owned(), flag(data.approval)),
        ("priced".to_owned(), flag(!data.ceilings.is_empty())),
    ])
}

/// A ceiling for each scale that amounts may have, so that a policy compares whole numbers.
fn tags(ceilings: &BTreeMap<String, String>) -> Attributes {
    let read = ceilings.iter().filter_map(|(asset, text)| Some((asset, Decimal::parse(text)?)));
    let of_all_scales = read.flat_map(|(asset, ceiling)| {
        (0..=SCALE_MAX).map(move |scale| {
            let ceiling = RestrictedExpression::new_long(ceiling.minor_floor(scale));
            (format!("{asset}/{scale}"), ceiling)
        })
    });
    of_all_scales.collect()
}

/// Whether a list has all there are, and what it has by name.
fn open(list: &[String]) -> (bool, Vec<&str>) {
    let any = list.iter().any(|entry| entry == ANY);
    (any, all(list).into_iter().filter(|entry| *entry != ANY).collect())
}

fn all(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn references(kind: &EntityTypeName, list: Vec<&str>) -> RestrictedExpression {
    let each = list.into_iter().map(|id| RestrictedExpression::new_entity_uid(uid(kind, id)));
    RestrictedExpression::new_set(each)
}

fn texts(list: Vec<&str>) -> RestrictedExpression {
    let each = list.into_iter().map(|text| RestrictedExpression::new_string(text.to_owned()));
    RestrictedExpression::new_set(each)
}
