//! What a look at a node shows.

use coppice_testkit::Client;
use serde_json::Value;

/// Looks at the node's tree.
///
/// # Panics
/// Where it can't be looked at.
pub async fn tree(client: &Client) -> Value {
    let looked = client.get_path("/v1/inspect/tree").await.expect("the node answers");
    assert!(looked.status.is_success(), "{looked:?}");
    looked.body
}

/// Everything that has fallen since the node started, by the answer of `GET /v1/inspect/tree`:
/// parts of the tree, and entities. Empty where nothing has.
#[must_use]
pub fn fallen(look: &Value) -> Vec<String> {
    let mut fallen = Vec::new();
    parts(&look["tree"], &mut fallen);
    for kind in look["kinds"].as_array().into_iter().flatten() {
        if kind["crashes_total"] != 0 || kind["stuck"] != 0 {
            fallen.push(format!("entities: {kind}"));
        }
    }
    fallen
}

fn parts(part: &Value, fallen: &mut Vec<String>) {
    let fine = part["restarts_total"] == 0
        && part["restarts_in_window"] == 0
        && part["incarnation"] == 1
        && part["state"] == "up";
    if !fine {
        fallen.push(format!("{}: {part}", part["name"]));
    }
    for child in part["children"].as_array().into_iter().flatten() {
        parts(child, fallen);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn part(name: &str, restarts: u64, children: &[Value]) -> Value {
        json!({
            "name": name, "state": "up", "incarnation": 1 + restarts,
            "restarts_total": restarts, "restarts_in_window": 0, "children": children,
        })
    }

    #[test]
    fn a_part_that_was_restarted_deep_in_the_tree_is_found() {
        let tree = |restarts| part("node", 0, &[part("system", 0, &[part("x", restarts, &[])])]);
        let kinds = json!([{"kind": "k", "crashes_total": 0, "stuck": 0}]);
        assert!(fallen(&json!({"tree": tree(0), "kinds": kinds})).is_empty());
        let found = fallen(&json!({"tree": tree(1), "kinds": kinds}));
        assert!(found.len() == 1 && found[0].starts_with("\"x\""), "{found:?}");
    }

    #[test]
    fn entities_that_crashed_are_found_and_an_answer_that_is_no_look_is_no_all_clear() {
        let kinds = json!([{"kind": "k", "crashes_total": 2, "stuck": 0}]);
        assert_eq!(fallen(&json!({"tree": part("node", 0, &[]), "kinds": kinds})).len(), 1);
        assert!(!fallen(&json!({})).is_empty());
    }
}
