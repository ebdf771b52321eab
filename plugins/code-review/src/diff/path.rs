//! Paths in a diff's headers: quoted ones, prefixes, and the two that share a line.

/// A longer path is none: Linux ends at this. It bounds what a header costs to read.
const PATH_BYTES_MAX: usize = 4_096;

/// A path as a header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// `/dev/null`: the file isn't on that side.
    Nothing,
    /// A path, perhaps with git's prefix.
    Path(String),
}

/// A path and whether it was well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) name: Name,
    pub(super) is_well_formed: bool,
}

/// The path behind `--- ` or `+++ `. What follows a tab is a time.
pub(super) fn of_side(text: &[u8]) -> Read {
    if text.first() == Some(&b'"') {
        return match quoted(text) {
            Some((path, _)) => Read { name: named(path), is_well_formed: true },
            None => Read { name: named(lossy(text)), is_well_formed: false },
        };
    }
    let end = text.iter().position(|byte| *byte == b'\t').unwrap_or(text.len());
    Read { name: named(lossy(&text[..end])), is_well_formed: true }
}

/// The path behind `rename from ` and its like, which have no prefix and no time.
pub(super) fn alone(text: &[u8]) -> (String, bool) {
    match text.first() {
        Some(b'"') => quoted(text).map_or_else(|| (lossy(text), false), |(path, _)| (path, true)),
        _ => (lossy(text), true),
    }
}

/// The two paths behind `diff --git `. Where they aren't quoted, a blank may be part of a path: then
/// only two that are equal but for the prefix can be told apart, and git writes no others without
/// saying them again below.
pub(super) fn pair(text: &[u8]) -> Option<(String, String)> {
    if text.len() > 2 * PATH_BYTES_MAX {
        return None;
    }
    if text.first() == Some(&b'"') {
        let (old, end) = quoted(text)?;
        let rest = text.get(end..)?.strip_prefix(b" ")?;
        let new = if rest.first() == Some(&b'"') { quoted(rest)?.0 } else { lossy(rest) };
        return Some((old, new));
    }
    if text.last() == Some(&b'"') {
        let at = text.windows(2).position(|two| two == b" \"")?;
        return Some((lossy(&text[..at]), quoted(&text[at + 1..])?.0));
    }
    let middle = text.len() / 2;
    if text.get(middle) == Some(&b' ') {
        let (old, new) = (&text[..middle], &text[middle + 1..]);
        if old == new || without_prefix(old) == without_prefix(new) {
            return Some((lossy(old), lossy(new)));
        }
    }
    let mut blanks = text.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
    let first = blanks.next()?;
    // One blank only: it stands between the two.
    blanks.next().is_none().then(|| (lossy(&text[..first]), lossy(&text[first + 1..])))
}

/// Both paths without git's prefixes (`a/` and `b/`, or `i/`, `w/`, `c/`, `o/`, `1/`, `2/`), where
/// they have some: two different ones, for equal letters are a folder's name.
pub(super) fn without_prefixes(old: &str, new: &str) -> (String, String) {
    let is_prefix = |byte: Option<&u8>| byte.is_some_and(|byte| b"abciow12".contains(byte));
    let (old_bytes, new_bytes) = (old.as_bytes(), new.as_bytes());
    let have_prefixes = is_prefix(old_bytes.first())
        && is_prefix(new_bytes.first())
        && old_bytes.get(1) == Some(&b'/')
        && new_bytes.get(1) == Some(&b'/')
        && old_bytes[0] != new_bytes[0];
    if have_prefixes {
        (old[2..].to_owned(), new[2..].to_owned())
    } else {
        (old.to_owned(), new.to_owned())
    }
}

fn without_prefix(path: &[u8]) -> &[u8] {
    path.iter().position(|byte| *byte == b'/').map_or(path, |at| &path[at + 1..])
}

fn named(path: String) -> Name {
    if path == "/dev/null" { Name::Nothing } else { Name::Path(path) }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path in quotes with git's escapes, and where it ends; none where it doesn't, or an escape isn't
/// git's.
fn quoted(text: &[u8]) -> Option<(String, usize)> {
    let mut bytes = Vec::new();
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some((lossy(&bytes), at + 1)),
            b'\\' => {
                let (byte, length) = escape(text.get(at + 1..)?)?;
                bytes.push(byte);
                at += 1 + length;
            }
            byte => {
                bytes.push(byte);
                at += 1;
            }
        }
    }
}

/// The byte that an escape stands for, and how many bytes it has after the backslash.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let byte = match *text.first()? {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        same @ (b'"' | b'\\') => same,
        b'0'..=b'3' => {
            let digits = text.get(..3)?;
            let value = digits.iter().try_fold(0_u32, |value, digit| match digit {
                b'0'..=b'7' => Some(value * 8 + u32::from(digit - b'0')),
                _ => None,
            })?;
            return Some((u8::try_from(value).ok()?, 3));
        }
        _ => return None,
    };
    Some((byte, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_paths_are_read_with_their_escapes() {
        let read = |text: &[u8]| quoted(text).map(|(path, _)| path);
        assert_eq!(read(br#""a/\303\244 b.txt""#).as_deref(), Some("a/ä b.txt"));
        assert_eq!(read(br#""\"\\\t\n""#).as_deref(), Some("\"\\\t\n"));
        for broken in [&br#""a"#[..], br#""\8""#, br#""\3""#, br#""\37""#, br#""\"#, br#""\39x""#] {
            assert_eq!(read(broken), None, "{}", lossy(broken));
        }
    }

    #[test]
    fn the_two_paths_of_a_header_are_told_apart() {
        let two = |text: &str| pair(text.as_bytes());
        let some = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        assert_eq!(two("a/x b/x"), some("a/x", "b/x"));
        assert_eq!(two("a/x y z b/x y z"), some("a/x y z", "b/x y z"));
        assert_eq!(two("x x"), some("x", "x"));
        assert_eq!(two("a/x b/longer"), some("a/x", "b/longer"));
        assert_eq!(two("\"a/\\303\\244\" \"b/\\303\\244\""), some("a/ä", "b/ä"));
        assert_eq!(two("a/plain \"b/\\303\\244\""), some("a/plain", "b/ä"));
        assert_eq!(two("\"a/\\303\\244\" b/plain"), some("a/ä", "b/plain"));
        assert_eq!(two("a/one two b/three four"), None);
        assert_eq!(two(""), None);
        assert_eq!(two(&"x ".repeat(PATH_BYTES_MAX + 1)), None);
    }

    #[test]
    fn prefixes_go_where_there_are_two() {
        let both = |old, new| without_prefixes(old, new);
        let some = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        assert_eq!(both("a/src/x", "b/src/x"), some("src/x", "src/x"));
        assert_eq!(both("i/x", "w/x"), some("x", "x"));
        assert_eq!(both("b/x", "b/x"), some("b/x", "b/x"));
        assert_eq!(both("src/x", "src/x"), some("src/x", "src/x"));
        assert_eq!(both("ä", "ä"), some("ä", "ä"));
    }

    #[test]
    fn a_time_behind_a_path_is_left_out() {
        let path = |text: &str| of_side(text.as_bytes()).name;
        assert_eq!(path("a/x y\t2026-01-02 03:04:05"), Name::Path("a/x y".to_owned()));
        assert_eq!(path("/dev/null"), Name::Nothing);
        assert!(!of_side(b"\"a").is_well_formed);
    }
}
