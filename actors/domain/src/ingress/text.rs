//! What of a source's text may stay: no e-mail addresses, and no more than fits.

use std::borrow::Cow;

/// The longest text that is kept, in bytes. A title has 256 characters at most, a reference 255
/// bytes and an address of GitHub's some hundred more than that.
pub(super) const TEXT_BYTES_MAX: usize = 1_024;

/// What stands where an address stood.
const INSTEAD: &str = "[e-mail]";

/// Marks a text that was longer.
const CUT: char = '…';

/// A text for people: cut where it is too long.
pub(super) fn free(text: &str) -> String {
    let text = without_addresses(text);
    if text.len() <= TEXT_BYTES_MAX {
        return text.into_owned();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX - CUT.len_utf8());
    let mut cut = text[..end].to_owned();
    cut.push(CUT);
    cut
}

/// A name, reference or address: half of it would name something else, so too long is nothing.
pub(super) fn exact(text: &str) -> Option<String> {
    let text = without_addresses(text);
    (text.len() <= TEXT_BYTES_MAX).then(|| text.into_owned())
}

/// The text with every e-mail address replaced.
pub(super) fn without_addresses(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut done = 0;
    let mut from = 0;
    while let Some((at, width)) = next_at(text, from) {
        from = at + width;
        let local = local_part(&text[done..at]);
        let domain = domain(&text[from..]);
        if local > 0 && domain > 0 {
            kept.push_str(&text[done..at - local]);
            kept.push_str(INSTEAD);
            done = from + domain;
            from = done;
        }
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    kept.push_str(&text[done..]);
    Cow::Owned(kept)
}

/// The next `@` and its width; in a URL it may be written `%40`.
fn next_at(text: &str, from: usize) -> Option<(usize, usize)> {
    let plain = text[from..].find('@').map(|offset| (from + offset, 1));
    let escaped = text[from..].find("%40").map(|offset| (from + offset, 3));
    match (plain, escaped) {
        (Some(plain), Some(escaped)) => Some(plain.min(escaped)),
        (one, other) => one.or(other),
    }
}

/// How many bytes at the end of a text are the part of an address before its `@`.
fn local_part(before: &str) -> usize {
    let belongs = |letter: char| letter.is_alphanumeric() || "._%+-'".contains(letter);
    before.chars().rev().take_while(|letter| belongs(*letter)).map(char::len_utf8).sum()
}

/// How many bytes at the start of a text are a domain: labels with dots between, the last of
/// letters. `1.0.0-rc.next` is the version of a package and no domain.
fn domain(after: &str) -> usize {
    let mut end = 0;
    let mut length = 0;
    for (index, label) in after.split('.').enumerate() {
        let belongs = |letter: &char| letter.is_alphanumeric() || *letter == '-';
        let bytes: usize = label.chars().take_while(belongs).map(char::len_utf8).sum();
        if bytes == 0 {
            break;
        }
        let label_end = length + bytes;
        let name = &label[..bytes];
        let letters = name.chars().all(char::is_alphabetic) && name.chars().count() > 1;
        if index > 0 && (letters || name.starts_with("xn--")) {
            end = label_end;
        }
        if bytes < label.len() {
            break;
        }
        length = label_end + 1;
    }
    let digits = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let version = after[..end].split('.').take(2).all(digits);
    if version { 0 } else { end }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_replaced_and_the_rest_stays() {
        for (text, expected) in [
            ("ask jo.doe+x@example.com today", "ask [e-mail] today"),
            ("<a@b.co>, c_d@e.f.org.", "<[e-mail]>, [e-mail]."),
            ("https://x.test/?u=a%40b.co&v", "https://x.test/?u=[e-mail]&v"),
            ("jörg@bücher.example", "[e-mail]"),
            ("a@xn--bcher-kva.xn--p1ai", "[e-mail]"),
            ("git@github.com:a/b.git", "[e-mail]:a/b.git"),
            ("a@b.co@c.de", "[e-mail]@c.de"),
            ("a@126.com", "[e-mail]"),
        ] {
            assert_eq!(without_addresses(text), expected);
        }
    }

    #[test]
    fn what_only_looks_like_one_stays() {
        for text in [
            "",
            "@octocat said so",
            "refs/heads/dependabot/npm/@types/node-20.1.0",
            "refs/tags/lodash@4.17.21",
            "refs/tags/react@19.0.0-rc.next",
            "a@localhost",
            "@example.com",
            "a@.com",
            "a@b.c",
            "@",
        ] {
            assert_eq!(without_addresses(text), text);
        }
    }

    #[test]
    fn long_texts_are_cut_and_long_names_are_left_out() {
        let long = "ä".repeat(TEXT_BYTES_MAX);
        let cut = free(&long);
        assert!(cut.len() <= TEXT_BYTES_MAX && cut.ends_with(CUT), "{} bytes", cut.len());
        assert_eq!(exact(&long), None);
        let fits = "a".repeat(TEXT_BYTES_MAX);
        assert_eq!((free(&fits), exact(&fits)), (fits.clone(), Some(fits)));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-zäA0-9@.%4 _+'-]{0,40}|.{0,40}") {
            let once = without_addresses(&text).into_owned();
            prop_assert!(!once.contains("a@b.co"));
            prop_assert!(free(&text).len() <= TEXT_BYTES_MAX);
        }

        #[test]
        fn an_address_is_found_wherever_it_stands(
            before in "[a-z0-9 /:<(@]{0,10}[ /:<(]",
            local in "[a-z0-9]([a-z0-9._+-]{0,8}[a-z0-9])?",
            host in "[a-z][a-z0-9-]{0,8}",
            top in "[a-z]{2,6}",
            after in "[ />):,][a-z0-9 /]{0,10}",
        ) {
            let text = format!("{before}{local}@{host}.{top}{after}");
            let kept = without_addresses(&text);
            // What stands before it may have the beginning of the same domain: "@q/0@q.aa".
            prop_assert!(!kept.contains(&format!("@{host}.{top}")), "{kept}");
            prop_assert!(kept.ends_with(&after), "{kept}");
        }
    }
}
