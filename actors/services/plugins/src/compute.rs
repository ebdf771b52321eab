//! Calls that need not be made, since their plugin can compute what it would say.
//!
//! **Invariant:** what is computed is what [`PluginHost::carry_out`] would have given. All that it
//! would refuse, wait for or tell is left to it: a plugin without its record, a breaker that has
//! anything against it, policy that doesn't plainly allow it, an answer that isn't a success.

use std::collections::BTreeMap;

use coppice_domain::plugin::breaker::PhaseName;
use coppice_plugin_sdk::OutputStatus;
use coppice_runtime::EffectCall;

use crate::catalog::Seat;
use crate::host::{PluginHost, answered, bounded};
use crate::request::CallRequest;

/// The largest request that is looked at, and the largest answer, in bytes. More takes longer to read
/// than a turn of a workflow should, and there are some dozens of them behind one command.
pub const COMPUTED_BYTES_MAX: usize = 16 * 1024;

impl PluginHost {
    /// The response to a call, as its effect records it, where it is computed.
    pub(crate) fn computed(&self, call: &EffectCall) -> Option<String> {
        let parts = &self.0.0;
        if call.request.len() > COMPUTED_BYTES_MAX || !*parts.loaded.borrow() {
            return None;
        }
        let request: CallRequest = serde_json::from_str(&call.request).ok()?;
        let offer = parts.catalog.resolve(&request.plugin, request.version.as_deref()).ok()?;
        let Seat::Inside(plugin) = &offer.seat else { return None };
        let standing = parts.breakers.standing(&offer.id)?;
        let is_spotless = standing.phase == PhaseName::Closed && standing.failures == 0;
        let needs_secrets = !offer.manifest().required_secret_names.is_empty();
        if !plugin.computes(&request.capability)
            || !is_spotless
            || !offer.is_recorded()
            || needs_secrets
        {
            return None;
        }
        offer.contract.input(&request.capability, &request.input).ok()?;
        let policy = self.permitted(call, &request, &offer).ok()?;
        let _aboard = offer.board()?;
        let envelope = request.envelope(call, parts.clock.now());
        // Of one that panics here nothing is computed either: its pool sees to it.
        let output = plugin.compute(&envelope)?;
        if output.status == OutputStatus::Failed {
            return None;
        }
        offer.contract.output(&request.workflow, &output).ok()?;
        let bytes_max = parts.options.answer_bytes_max.min(COMPUTED_BYTES_MAX);
        let output = bounded(output, bytes_max, &BTreeMap::new()).ok()?;
        let response = answered(&offer, output, policy).ok()?;
        serde_json::to_string(&response).ok()
    }
}
