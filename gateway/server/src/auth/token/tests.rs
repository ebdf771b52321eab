//! Tokens, hostile ones above all.

use std::path::PathBuf;

use coppice_core::{TenantId, Timestamp};
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;
use crate::config::{self, JwtKey, Sources};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW_S: i64 = 1_800_000_000;

fn now() -> Timestamp {
    Timestamp::from_micros(NOW_S * 1_000_000)
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_micros((NOW_S + seconds) * 1_000_000)
}

fn defaults() -> AuthConfig {
    config::load(&Sources::default()).unwrap().config.auth
}

fn secret() -> Secret {
    Secret::new(SECRET.to_owned())
}

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn pem() -> String {
    let pair = pair();
    let head = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
    let spki = [head.as_slice(), pair.public_key().as_ref()];
    let text = base64::engine::general_purpose::STANDARD.encode(spki.concat());
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}

/// A verifier with the secret, the key `ours` and the key `acme`, which speaks of that tenant only.
fn tokens(change: impl FnOnce(&mut AuthConfig)) -> Tokens {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key.pem");
    std::fs::write(&file, pem()).unwrap();
    let mut config = defaults();
    for (kid, tenant) in [("ours", None), ("acme", Some(TenantId::new("acme").unwrap()))] {
        config.jwt.keys.insert(kid.to_owned(), JwtKey { file: file.clone(), tenant });
    }
    change(&mut config);
    Tokens::new(&config, Some(&secret())).unwrap()
}

fn claims() -> Value {
    json!({
        "tenant": "acme", "sub": "alice", "scope": "entities:read keys:read",
        "iat": NOW_S, "nbf": NOW_S, "exp": NOW_S + 3_600,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn signed_hs256(header: &str, payload: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    format!("{signed}.{}", base64(hmac::sign(&key, signed.as_bytes()).as_ref()))
}

fn hs256(claims: &Value) -> String {
    signed_hs256(r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string(), SECRET.as_bytes())
}

fn eddsa(kid: &str, claims: &Value) -> String {
    let header = json!({"alg": "EdDSA", "kid": kid}).to_string();
    let signed = format!("{}.{}", base64(header.as_bytes()), base64(claims.to_string().as_bytes()));
    format!("{signed}.{}", base64(pair().sign(signed.as_bytes()).as_ref()))
}

#[track_caller]
fn refused(tokens: &Tokens, token: &str, fault: TokenFault) {
    assert_eq!(tokens.judge(token.as_bytes(), now()).unwrap_err(), fault, "{token}");
}

#[test]
fn a_good_token_names_its_caller() {
    let tokens = tokens(|_| {});
    for (token, key) in [(hs256(&claims()), "secret"), (eddsa("ours", &claims()), "ours")] {
        let (caller, until) = tokens.judge(token.as_bytes(), now()).unwrap();
        assert_eq!(caller.tenant.as_str(), "acme");
        assert_eq!(caller.identity.to_string(), format!("token of \"alice\" by key {key:?}"));
        assert!(caller.holds("keys:read") && !caller.holds("keys:write"));
        assert_eq!(until, later(3_630), "with the leeway");
    }
}

#[test]
fn the_key_decides_the_algorithm() {
    let tokens = tokens(|_| {});
    let payload = claims().to_string();
    let public = pair().public_key().as_ref().to_vec();
    for alg in ["none", "None", "NONE", "", "HS512", "RS256", "hs256"] {
        let header = json!({"alg": alg}).to_string();
        let unsigned = format!("{}.{}.", base64(header.as_bytes()), base64(payload.as_bytes()));
        refused(&tokens, &unsigned, TokenFault::Algorithm);
        refused(
            &tokens,
            &signed_hs256(&header, &payload, SECRET.as_bytes()),
            TokenFault::Algorithm,
        );
    }
    // The oldest of them: the public key, which everybody has, as the secret.
    for secret in [public.as_slice(), pem().as_bytes()] {
        let confused = signed_hs256(r#"{"alg":"HS256","kid":"ours"}"#, &payload, secret);
        refused(&tokens, &confused, TokenFault::Algorithm);
        let nameless = signed_hs256(r#"{"alg":"HS256"}"#, &payload, secret);
        refused(&tokens, &nameless, TokenFault::Signature);
        let lying = signed_hs256(r#"{"alg":"EdDSA","kid":"ours"}"#, &payload, secret);
        refused(&tokens, &lying, TokenFault::Signature);
    }
    refused(&tokens, &signed_hs256(r#"{"typ":"JWT"}"#, &payload, b"x"), TokenFault::Algorithm);
}

#[test]
fn a_token_of_an_unknown_key_or_another_signature_is_refused() {
    let tokens = tokens(|_| {});
    refused(&tokens, &eddsa("theirs", &claims()), TokenFault::Key);
    refused(&tokens, &eddsa("", &claims()), TokenFault::Key);
    let payload = claims().to_string();
    let other = signed_hs256(r#"{"alg":"HS256"}"#, &payload, &[b'x'; 32]);
    refused(&tokens, &other, TokenFault::Signature);
    for token in [hs256(&claims()), eddsa("ours", &claims())] {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let more = base64(with("scope", json!("*")).to_string().as_bytes());
        refused(&tokens, &format!("{header}.{more}.{signature}"), TokenFault::Signature);
        refused(&tokens, &format!("{signed}."), TokenFault::Signature);
    }
    // Without the secret, what was signed with it is nothing.
    let none = Tokens::new(&defaults(), None).unwrap();
    assert!(none.keys.is_empty());
    refused(&none, &hs256(&claims()), TokenFault::Key);
}

#[test]
fn a_token_counts_in_its_time_only() {
    let tokens = tokens(|_| {});
    let at = |token: &str, seconds| tokens.judge(token.as_bytes(), later(seconds)).err();
    let token = hs256(&claims());
    for (seconds, fault) in [
        (-31, Some(TokenFault::NotYet)),
        (-30, None),
        (3_629, None),
        (3_630, Some(TokenFault::Expired)),
        (1_000_000, Some(TokenFault::Expired)),
    ] {
        assert_eq!(at(&token, seconds), fault, "{seconds}");
    }
    let from_later = hs256(&with("nbf", json!(NOW_S + 600)));
    assert_eq!(at(&from_later, 569), Some(TokenFault::NotYet));
    assert_eq!(at(&from_later, 570), None);
    for (name, value) in [
        ("exp", json!(NOW_S - 1)),
        ("exp", json!(NOW_S + 86_401)),
        ("exp", json!(u64::MAX)),
        ("exp", json!("soon")),
        ("exp", json!(1.5e9)),
        ("exp", json!(-1)),
        ("exp", Value::Null),
        ("iat", json!("now")),
        ("iat", json!([NOW_S])),
        ("nbf", json!("later")),
        ("nbf", Value::Null),
    ] {
        let fault = tokens.judge(hs256(&with(name, value.clone())).as_bytes(), now()).unwrap_err();
        assert_eq!(fault, TokenFault::Claim(name), "{name} {value}");
    }
    refused(&tokens, &hs256(&without("exp")), TokenFault::Claim("exp"));
    refused(&tokens, &hs256(&without("iat")), TokenFault::Claim("iat"));
    assert_eq!(at(&hs256(&without("nbf")), 0), None);
    // An issuer that dates ahead to make a life longer.
    let ahead = json!({"tenant": "acme", "sub": "a", "scope": "", "iat": NOW_S + 86_000,
        "exp": NOW_S + 2 * 86_000});
    refused(&tokens, &hs256(&ahead), TokenFault::NotYet);
}

#[test]
fn issuer_and_audience_are_asked_for_where_they_are_set() {
    let open = tokens(|_| {});
    let set = tokens(|config| {
        config.jwt.issuer = "https://issuer".to_owned();
        config.jwt.audience = "coppice".to_owned();
    });
    let both = |iss: Value, aud: Value| {
        let mut claims = with("iss", iss);
        claims["aud"] = aud;
        hs256(&claims)
    };
    let good = json!("https://issuer");
    for aud in [json!("coppice"), json!(["other", "coppice"])] {
        assert!(set.judge(both(good.clone(), aud).as_bytes(), now()).is_ok());
    }
    for iss in [json!("https://issuer/"), json!(""), json!(["https://issuer"]), Value::Null] {
        refused(&set, &both(iss, json!("coppice")), TokenFault::Claim("iss"));
    }
    refused(&set, &hs256(&with("aud", json!("coppice"))), TokenFault::Claim("iss"));
    for aud in [json!("other"), json!([]), json!(["other"]), json!(7), json!({}), Value::Null] {
        refused(&set, &both(good.clone(), aud.clone()), TokenFault::Claim("aud"));
        refused(&open, &both(good.clone(), aud), TokenFault::Claim("aud"));
    }
    refused(&set, &hs256(&with("iss", good.clone())), TokenFault::Claim("aud"));
    refused(&open, &hs256(&with("aud", json!(""))), TokenFault::Claim("aud"));
    assert!(open.judge(hs256(&with("iss", good)).as_bytes(), now()).is_ok());
}

#[test]
fn a_token_names_a_tenant_a_subject_and_scopes() {
    let tokens = tokens(|_| {});
    for name in ["tenant", "sub", "scope"] {
        refused(&tokens, &hs256(&without(name)), TokenFault::Claim(name));
        for value in [Value::Null, json!(7), json!(["acme"]), json!({"a": 1}), json!(true)] {
            refused(&tokens, &hs256(&with(name, value)), TokenFault::Claim(name));
        }
    }
    for tenant in ["", "a/b", "a b", &"t".repeat(300)] {
        refused(&tokens, &hs256(&with("tenant", json!(tenant))), TokenFault::Claim("tenant"));
    }
    for sub in ["", "a\nb", "a\0", &"s".repeat(256)] {
        refused(&tokens, &hs256(&with("sub", json!(sub))), TokenFault::Claim("sub"));
    }
    // A key that is given to one tenant speaks of no other.
    assert!(tokens.judge(eddsa("acme", &claims()).as_bytes(), now()).is_ok());
    let other = eddsa("acme", &with("tenant", json!("other")));
    refused(&tokens, &other, TokenFault::Claim("tenant"));
}

#[test]
fn members_stand_once_and_nothing_critical_is_overlooked() {
    let tokens = tokens(|_| {});
    let form = |token: &str| match tokens.judge(token.as_bytes(), now()).unwrap_err() {
        TokenFault::Form(_) => {}
        other => panic!("{token}: {other}"),
    };
    let payload = claims().to_string();
    let secret = SECRET.as_bytes();
    for twice in [r#"{"tenant":"other","#, r#"{"exp":9999999999,"#, r#"{"x":1,"x":1,"#] {
        form(&signed_hs256(r#"{"alg":"HS256"}"#, &payload.replacen('{', twice, 1), secret));
    }
    for header in [
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"["HS256"]"#,
        r#""HS256""#,
        "{}x",
        "",
    ] {
        form(&signed_hs256(header, &payload, secret));
    }
    for payload in ["[]", "", "null", "{", &"[".repeat(2_000)] {
        form(&signed_hs256(r#"{"alg":"HS256"}"#, payload, secret));
    }
    for header in [r#"{"alg":["HS256"]}"#, r#"{"alg":"HS256","kid":7}"#, r#"{"alg":null}"#] {
        let token = signed_hs256(header, &payload, secret);
        let fault = tokens.judge(token.as_bytes(), now()).unwrap_err();
        assert!(matches!(fault, TokenFault::Claim(_)), "{header}: {fault}");
    }
}

#[test]
fn what_has_not_the_form_of_a_token_is_refused() {
    let tokens = tokens(|_| {});
    let good = hs256(&claims());
    let bent = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        good.replace('.', ""),
        format!("{good}.x"),
        format!("{good}="),
        format!(" {good}"),
        good.replacen('.', "..", 1),
        good.replacen('e', "\u{e9}", 1),
    ];
    for token in bent {
        let fault = tokens.judge(token.as_bytes(), now()).unwrap_err();
        assert!(!matches!(fault, TokenFault::Expired | TokenFault::NotYet), "{token}: {fault}");
    }
    assert!(tokens.judge(b"\xff.\xff.\xff", now()).is_err());
    let large = hs256(&with("more", json!("x".repeat(4_096))));
    assert!(tokens.judge(large.as_bytes(), now()).is_ok(), "its size is all that is wrong");
    let outcome = tokens.verify(large.as_bytes(), Instant::now(), || panic!("it was looked into"));
    assert!(matches!(outcome, Err(AuthError::Invalid(Invalid::Refused))));
}

#[test]
fn an_accepted_token_is_believed_until_it_expires_and_not_longer() {
    let tokens = tokens(|_| {});
    let token = hs256(&claims());
    let start = Instant::now();
    let at = |seconds: u64, wall: Option<i64>| {
        let wall = || later(wall.expect("it is believed, so the clock isn't asked"));
        tokens.verify(token.as_bytes(), start + Duration::from_secs(seconds), wall)
    };
    assert!(at(0, Some(0)).is_ok());
    assert!(at(3_629, None).is_ok());
    assert!(matches!(at(3_630, Some(3_630)), Err(AuthError::Invalid(Invalid::Expired))));
}

#[test]
fn keys_that_can_not_be_used_are_found_at_the_start() {
    let short = Secret::new("x".repeat(31));
    let outcome = Tokens::new(&defaults(), Some(&short));
    assert!(matches!(outcome, Err(TokenKeyError::ShortSecret)));
    let mut config = defaults();
    let file = PathBuf::from("/no/such/key.pem");
    config.jwt.keys.insert("k".to_owned(), JwtKey { file, tenant: None });
    let text = Tokens::new(&config, None).unwrap_err().to_string();
    assert!(text.contains("key k") && text.contains("/no/such/key.pem"), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rsa.pem");
    std::fs::write(&file, "-----BEGIN PUBLIC KEY-----\nMAAA\n-----END PUBLIC KEY-----\n").unwrap();
    config.jwt.keys.insert("k".to_owned(), JwtKey { file, tenant: None });
    let outcome = Tokens::new(&config, None);
    assert!(matches!(outcome, Err(TokenKeyError::NotEd25519 { .. })), "{outcome:?}");
}

#[test]
fn an_issued_token_is_accepted_by_a_node_with_the_same_settings_only() {
    let grant = Grant {
        tenant: TenantId::new("acme").unwrap(),
        subject: "operator".to_owned(),
        scopes: "keys:read *".to_owned(),
        ttl_s: 60,
    };
    let named = |issuer: &str| {
        tokens(|config| {
            config.jwt.issuer = issuer.to_owned();
            config.jwt.audience = "coppice".to_owned();
        })
    };
    let mine = named("me");
    let token = issue(&grant, &mine.config, Some(&secret()), now()).unwrap();
    let (caller, until) = mine.judge(token.as_bytes(), now()).unwrap();
    assert_eq!((caller.tenant.as_str(), until), ("acme", later(90)));
    assert!(caller.holds("anything"));
    refused(&named("other"), &token, TokenFault::Claim("iss"));
    let no_secret = issue(&grant, &mine.config, None, now());
    assert!(matches!(no_secret, Err(TokenKeyError::NoSecret)));
}
