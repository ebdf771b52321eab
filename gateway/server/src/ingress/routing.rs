//! The rules of routing, read from their file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use coppice_domain::ingress::{Routing, RoutingError, Rule};
use figment::Figment;
use figment::providers::{Format, Toml};
use serde::Deserialize;
use thiserror::Error;

use crate::config::ConfigError;

/// The rules of this build, as they are documented.
pub const DEFAULT_RULES: &str = include_str!("../../../../config/routing.toml");

/// Rules that can't be used.
#[derive(Debug, Error)]
pub enum RoutingFault {
    /// There is no such file.
    #[error("there is no file of routing rules {}", .0.display())]
    NoFile(PathBuf),
    /// It can't be read, or has a member that no rule has.
    #[error("the routing rules can not be read")]
    Unreadable(#[source] ConfigError),
    /// A rule leads nowhere or can't match.
    #[error("the routing rules of {origin} can not be used")]
    Rules {
        /// The file.
        origin: String,
        /// Which rule, and why.
        #[source]
        source: RoutingError,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    rules: Vec<Rule>,
}

/// The rules of a file; those of this build where it is empty.
pub(super) fn read(file: &Path, plans: &BTreeSet<String>) -> Result<Routing, RoutingFault> {
    let (figment, origin) = if file.as_os_str().is_empty() {
        (Figment::from(Toml::string(DEFAULT_RULES)), "this build".to_owned())
    } else if file.is_file() {
        (Figment::from(Toml::file_exact(file)), file.display().to_string())
    } else {
        return Err(RoutingFault::NoFile(file.to_path_buf()));
    };
    let Rules { rules } =
        figment.extract().map_err(|error| RoutingFault::Unreadable(error.into()))?;
    Routing::new(rules, plans).map_err(|source| RoutingFault::Rules { origin, source })
}

#[cfg(test)]
mod tests {
    use coppice_domain::ingress::github;
    use serde_json::json;

    use super::*;
    use crate::planning::Templates;
    use crate::problem::Chain;

    /// The plans of this build.
    fn plans() -> BTreeSet<String> {
        Templates::shipped().unwrap().names().map(str::to_owned).collect()
    }

    fn of(text: &str) -> Result<Routing, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("routing.toml");
        std::fs::write(&path, text).unwrap();
        read(&path, &plans()).map_err(|fault| Chain(&fault).to_string())
    }

    #[test]
    fn the_rules_of_this_build_send_pull_requests_to_a_review() {
        let routing = read(Path::new(""), &plans()).unwrap();
        let route = |action: &str, draft: bool| {
            let body = json!({ "action": action, "pull_request": { "draft": draft } });
            let route = routing.route(&github::normalise("pull_request", &body))?;
            Some((route.plan, route.priority.name()))
        };
        let review = Some(("pull_request_review".to_owned(), "P2"));
        for action in ["opened", "reopened", "synchronize", "ready_for_review"] {
            assert_eq!(route(action, false), review, "{action}");
        }
        assert_eq!(route("opened", true), None);
        assert_eq!(route("closed", false), None);
        assert_eq!(routing.route(&github::normalise("push", &json!({}))), None);
    }

    #[test]
    fn a_file_takes_the_place_of_the_rules_of_this_build() {
        let routing = of("[[rules]]\ntype = \"push\"\nplan = \"pull_request_review\"\n").unwrap();
        let route = |name: &str| routing.route(&github::normalise(name, &json!({})));
        assert!(route("push").is_some());
        assert_eq!(route("pull_request"), None);
        assert_eq!(of("").unwrap(), Routing::default());
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_place() {
        let rule = "[[rules]]\ntype = \"push\"\nplan = \"pull_request_review\"\n";
        for (text, says) in [
            (format!("{rule}when = 1\n"), vec!["rules.0.when", "routing.toml"]),
            (format!("rule = 1\n{rule}"), vec!["rule", "routing.toml"]),
            (rule.replace("\"push\"", "7"), vec!["rules.0.type"]),
            (format!("{rule}priority = \"P7\"\n"), vec!["rules.0.priority", "P7"]),
            (rule.replace("pull_request_review", "x"), vec!["rule 1", "\"x\"", "routing.toml"]),
            (format!("{rule}{rule}"), vec!["rule 2 can never match: rule 1"]),
        ] {
            let fault = of(&text).unwrap_err();
            for part in says {
                assert!(fault.contains(part), "{fault:?} does not say {part:?}");
            }
        }
        let missing = read(Path::new("/no/such/routing.toml"), &plans()).unwrap_err();
        assert!(missing.to_string().contains("/no/such/routing.toml"));
    }
}
