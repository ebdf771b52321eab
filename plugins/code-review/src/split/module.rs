//! Which package or component a file belongs to, as far as its path says so.

/// Folders that hold a package's code: what stands above them is the package.
const INSIDE: &[&str] = &["src", "lib", "tests", "test", "spec", "benches", "__tests__", "include"];

/// How many folders make a component where none of them is one of [`INSIDE`].
const DEPTH: usize = 2;

/// The folder of a file's package; empty at the root.
pub(super) fn of(path: &str) -> &str {
    let Some((folders, _)) = path.rsplit_once('/') else { return "" };
    let mut end = 0;
    for (depth, folder) in folders.split('/').enumerate() {
        if INSIDE.contains(&folder) {
            // A folder at the root names the package `src` itself.
            return folders[..end].trim_end_matches('/');
        }
        if depth == DEPTH {
            break;
        }
        end += folder.len() + 1;
    }
    let end = deeper(folders, end.min(folders.len()));
    folders[..end].trim_end_matches('/')
}

/// Below the first folders there may still be a package's code, such as `a/b/c/src`.
fn deeper(folders: &str, end: usize) -> usize {
    let mut at = 0;
    for folder in folders.split('/') {
        if at > end && INSIDE.contains(&folder) {
            return at - 1;
        }
        at += folder.len() + 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn a_package_is_what_stands_above_its_code() {
        assert_eq!(of("crates/a/src/x/y.rs"), "crates/a");
        assert_eq!(of("a/b/c/src/x.rs"), "a/b/c");
        assert_eq!(of("src/x.rs"), "");
        assert_eq!(of("x.rs"), "");
        assert_eq!(of("web/components/button/index.ts"), "web/components");
        assert_eq!(of("internal/api.go"), "internal");
        assert_eq!(of("//x"), "");
    }
}
