//! Whoever says what may be called is asked before anything is.

use std::sync::Arc;

use coppice_plugins::{Action, Fact, Permission, Permit, PermitUnavailable, Question};
use parking_lot::Mutex;
use serde_json::json;

use crate::impostor::Impostor;
use crate::world::{Setting, World, asking, manifest};

#[derive(Debug)]
struct Scripted {
    answer: Result<(bool, bool), &'static str>,
    asked: Mutex<Vec<Question>>,
}

impl Permission for Scripted {
    fn decide(&self, question: &Question) -> Result<Permit, PermitUnavailable> {
        self.asked.lock().push(question.clone());
        let (allowed, requires_approval) =
            self.answer.map_err(|why| PermitUnavailable(why.to_owned()))?;
        let record = json!({ "allowed": allowed, "bundle": "b" }).into();
        Ok(Permit { allowed, requires_approval, reason_code: "by_the_book".to_owned(), record })
    }
}

async fn world(answer: Result<(bool, bool), &'static str>) -> (World, Impostor, Arc<Scripted>) {
    let policy = Arc::new(Scripted { answer, asked: Mutex::default() });
    let permission = Arc::clone(&policy) as Arc<dyn Permission>;
    let world = World::start(Setting { permission, ..Setting::default() }).await;
    let impostor = Impostor::start().await;
    world.serve(&manifest("double", "1.0.0").scope("context:read"), &impostor.url).await;
    (world, impostor, policy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_allowed_is_called_and_the_answer_goes_along() {
    let (world, impostor, policy) = world(Ok((true, false))).await;
    let response = world.call(&asking("double")).await.unwrap();
    assert_eq!(response.policy.value(), json!({ "allowed": true, "bundle": "b" }));
    assert_eq!(impostor.count(), 1);
    let question = policy.asked.lock().pop().unwrap();
    assert_eq!((question.action, question.resource.as_str()), (Action::CallPlugin, "double"));
    assert_eq!((question.tenant.as_str(), question.workflow.as_str()), ("default", "workflow-1"));
    let text = |text: &str| Fact::Text(text.to_owned());
    assert_eq!(question.context["capability"], text("double"));
    assert_eq!(question.context["version"], text("1.0.0"));
    assert_eq!(question.context["in_process"], Fact::Flag(false));
    assert_eq!(question.context["scopes"], Fact::Texts(["context:read".to_owned()].into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_denied_is_not_called_whoever_has_approved_it() {
    let (world, impostor, _) = world(Ok((false, false))).await;
    for approved in [false, true] {
        let mut request = asking("double");
        request["approved"] = json!(approved);
        let (code, detail) = world.call(&request).await.unwrap_err();
        assert_eq!(code, "policy_denied");
        assert_eq!(detail.policy.unwrap().value()["allowed"], false);
    }
    assert_eq!(impostor.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_needs_approval_is_called_once_it_has_it() {
    let (world, impostor, _) = world(Ok((true, true))).await;
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!((code.as_str(), detail.policy.is_some()), ("approval_required", true));
    assert_eq!(impostor.count(), 0);
    let mut request = asking("double");
    request["approved"] = json!(true);
    world.call(&request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_without_an_answer_means_that_a_person_has_to_say_so() {
    let (world, impostor, _) = world(Err("no bundle")).await;
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!(code, "approval_required");
    assert_eq!(detail.policy.unwrap().value(), "policy_unavailable");
    assert_eq!(impostor.count(), 0);
    let mut request = asking("double");
    request["approved"] = json!(true);
    let response = world.call(&request).await.unwrap();
    assert_eq!(response.policy.value()["reason_code"], "policy_unavailable");
}
