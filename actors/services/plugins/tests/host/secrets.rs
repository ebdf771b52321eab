//! Secrets on their way to a plugin, and nowhere else.

use coppice_core::Position;
use coppice_plugins::PluginSecrets;
use coppice_plugins::RegisterError;
use serde_json::json;

use crate::impostor::{Act, Impostor};
use crate::world::{Setting, World, asking, manifest};

const SECRET: &str = "hunter2 hunter2";

fn given(secrets: &[(&str, &str)]) -> Setting {
    let secrets = secrets.iter().map(|(of, secret)| ((*of).to_owned(), (*secret).to_owned()));
    let mut setting = Setting::default();
    setting.options.secrets = PluginSecrets::new(secrets);
    setting
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_into_the_call_of_its_plugin_and_is_recorded_nowhere() {
    let impostor = Impostor::start().await;
    let world = World::start(given(&[("DOUBLE__TOKEN", SECRET)])).await;
    world.serve(&manifest("double", "1.0.0").secret("TOKEN"), &impostor.url).await;
    world.serve(&manifest("other", "1.0.0"), &impostor.url).await;
    let refused = world.register(json!(manifest("third", "1.0.0").secret("TOKEN")), &impostor.url);
    let refused = refused.await.unwrap_err();
    let told = refused.to_string();
    assert!(matches!(refused, RegisterError::Refused(_)), "{told}");
    assert!(told.contains("COPPICE_PLUGIN_SECRET__THIRD__TOKEN"), "{told}");

    world.call(&asking("double")).await.unwrap();
    world.call(&asking("other")).await.unwrap();
    let asked = impostor.asked();
    assert_eq!(asked[0].envelope.context.secrets["TOKEN"], SECRET);
    assert!(asked[1].envelope.context.secrets.is_empty(), "it is another's");

    impostor.script([Act::TellSecrets]);
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!(code, "plugin_output_invalid");
    assert!(detail.message.contains("TOKEN") && !detail.message.contains(SECRET), "{detail:?}");
    let events = world.store.read_journal(Position(0), 1_000).await.unwrap();
    assert!(!events.is_empty());
    assert!(events.iter().all(|event| !event.record.body.payload.contains(SECRET)));

    // A node that is not given it any more calls the plugin without it as little as with another's.
    let before = impostor.count();
    let world = world.restart(given(&[("OTHER__TOKEN", SECRET)])).await;
    let (code, detail) = world.call(&asking("double")).await.unwrap_err();
    assert_eq!(code, "plugin_unavailable");
    assert!(detail.message.contains("COPPICE_PLUGIN_SECRET__DOUBLE__TOKEN"), "{detail:?}");
    assert_eq!(impostor.count(), before);
}
