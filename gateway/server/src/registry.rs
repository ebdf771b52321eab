//! The one list of entity kinds, and of read models. Adding one to the platform means adding a line
//! here.

use coppice_domain::compliance::{Control, Erasure};
use coppice_domain::example::{Alarm, Contact, Counter};
use coppice_domain::ingress::Delivery;
use coppice_domain::plugin::{Breaker, PluginVersion};
use coppice_domain::policy::{PublishedBundle, TaskSchema};
use coppice_domain::treasury::{Account, Intent, Transfer};
use coppice_domain::workflow::Workflow;
use coppice_runtime::NodeBuilder;
use coppice_treasury::ledger::LedgerModel;

use crate::activity::Activity;
use crate::audit::{Hashes, Side};
use crate::verification::Kinds;
use crate::workflows::Listing;

/// Serves every kind, and keeps every read model.
#[must_use]
pub fn serve_all(builder: NodeBuilder) -> NodeBuilder {
    let builder = builder
        .projection(Activity)
        .projection(LedgerModel)
        .projection(Listing::ALL)
        .projection(Listing::ACTIVE)
        .projection(Hashes(Side::Input))
        .projection(Hashes(Side::Output));
    let builder = builder.kind::<Control>().obeys_control().kind::<Erasure>();
    let builder = builder.kind::<Counter>().kind::<Alarm>().kind::<Contact>();
    let builder = builder.kind::<Account>().kind::<Transfer>().kind::<Intent>();
    builder
        .kind::<Workflow>()
        .kind::<TaskSchema>()
        .kind::<PublishedBundle>()
        .kind::<Delivery>()
        .kind::<PluginVersion>()
        .kind::<Breaker>()
}

/// Every kind, for whoever replays journals without serving them.
#[must_use]
pub fn replay_all() -> Kinds {
    let kinds = Kinds::default().kind::<Control>().kind::<Erasure>();
    let kinds = kinds.kind::<Account>().kind::<Transfer>().kind::<Intent>();
    let kinds = kinds.kind::<Counter>().kind::<Alarm>().kind::<Contact>();
    kinds
        .kind::<Workflow>()
        .kind::<TaskSchema>()
        .kind::<PublishedBundle>()
        .kind::<Delivery>()
        .kind::<PluginVersion>()
        .kind::<Breaker>()
}
