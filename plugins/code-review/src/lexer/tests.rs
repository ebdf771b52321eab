//! Strings and comments of every language, told apart.

use super::*;

fn code(language: Language, lines: &[&str]) -> Vec<String> {
    lex(language, lines, true).into_iter().map(|line| line.code).collect()
}

fn check(language: Language, line: &str, expected: &str) {
    assert_eq!(code(language, &[line]), [expected], "{language:?}: {line}");
}

#[test]
fn comments_and_strings_are_blanked_in_place() {
    check(Language::Rust, "a(\"b // c\") // d", "a(\"      \")     ");
    check(Language::Rust, "a /* b /* c */ d */ e", "a                   e");
    check(Language::Rust, "r#\"b\"c\"# + d", "r#\"   \"# + d");
    check(Language::Rust, "f::<'a>('\"', b'\\'') 'x: loop", "f::<'a>(' ', b'  ') 'x: loop");
    check(Language::Python, "a = f'x {y}' # z", "a = f'     '    ");
    check(Language::Python, "a = r'\\'' + b", "a = r'  ' + b");
    check(Language::JavaScript, "a = /[/'\"]/.test(b) / c", "a = /     /.test(b) / c");
    check(Language::JavaScript, "a = b / c; // d / e", "a = b / c;         ");
    check(Language::TypeScript, "`a ${f('b', {c: 1})} d`", "`  ${f(' ', {c: 1})}  `");
    check(Language::Go, "a := `b\\` + \"c\\\"d\"", "a := `  ` + \"    \"");
    check(Language::Java, "char a = '\"'; // b", "char a = ' ';     ");
    check(Language::Ruby, "a = \"b #{c} d\" # e", "a = \"        \"    ");
    check(Language::Shell, "echo $# \"a # b\" 'c' # d", "echo $# \"     \" ' '    ");
    check(Language::Shell, "echo \\\" # a", "echo \\\"    ");
    check(Language::Sql, "SELECT 'it''s' -- a", "SELECT '  '' '     ");
    check(Language::Yaml, "a: don't # b", "a: don't    ");
    check(Language::Yaml, "a: 'b # c' # d", "a: '     '    ");
    check(Language::Dockerfile, "RUN a # b", "RUN a # b");
    check(Language::Config, "a = \"b # c\" # d", "a = \"     \"    ");
}

#[test]
fn what_goes_on_over_lines_is_followed() {
    let lines = ["a = \"\"\"b", "eval(c)", "\"\"\" + d"];
    assert_eq!(code(Language::Python, &lines), ["a = \"\"\" ", "       ", "\"\"\" + d"]);
    let lines = ["a /* b", "c", "d */ e"];
    assert_eq!(code(Language::Java, &lines), ["a     ", " ", "     e"]);
    let lines = ["cat <<'END' | f", "eval a", "END", "b"];
    assert_eq!(code(Language::Shell, &lines), ["cat <<'END' | f", "      ", "END", "b"]);
    let lines = ["a = <<~SQL", "  select 1", "  SQL", "b"];
    assert_eq!(code(Language::Ruby, &lines), ["a = <<~SQL", "          ", "  SQL", "b"]);
    let lines = ["=begin", "a", "=end", "b"];
    assert_eq!(code(Language::Ruby, &lines), ["      ", " ", "    ", "b"]);
    let lines = ["a = 'b", "c"];
    assert_eq!(code(Language::JavaScript, &lines), ["a = ' ", "c"], "it can't have line breaks");
    let lines = ["a = `b", "eval(c) ${d", "} e`", "f"];
    assert_eq!(code(Language::JavaScript, &lines), ["a = ` ", "        ${d", "}  `", "f"]);
}

#[test]
fn a_piece_that_begins_within_a_comment_or_string_is_recognised() {
    let first = |language, lines: &[&str]| lex(language, lines, false)[0].code.trim().to_owned();
    assert_eq!(first(Language::Java, &[" * calls eval(a)", " */", "b();"]), "");
    assert_eq!(first(Language::Rust, &[" * a", " * b"]), "");
    assert_eq!(first(Language::Java, &["a * b", "/* c */"]), "a * b");
    assert_eq!(first(Language::JavaScript, &["f('a/*/b');", "g();"]), "f('     ');");
    assert_eq!(first(Language::Python, &["Never call eval(a).", "\"\"\"", "b()"]), "");
    assert_eq!(first(Language::Python, &["a = 1", "b = \"\"\"", "c"]), "a = 1");
    assert_eq!(first(Language::Python, &["def f():", "    \"\"\"Text.\"\"\""]), "def f():");
    assert_eq!(first(Language::Python, &["import a", "", "    \"\"\""]), "import a");
}

#[test]
fn literals_say_which_string_they_are_of() {
    let lexed = lex(Language::JavaScript, &["f(`a ${b} c", "d`, 'e')"], true);
    let ids = |line: &Lexed| line.literals.iter().map(|literal| literal.id).collect::<Vec<_>>();
    assert_eq!(ids(&lexed[0]), [0, 0]);
    assert_eq!(ids(&lexed[1]), [0, 1]);
    assert!(lexed[1].literals[0].is_continued);
    assert!(lexed[0].literals[0].is_interpolated);
    assert!(!lexed[1].literals[1].is_interpolated);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_keeps_its_length(
            lines in prop::collection::vec("[-a-z\"'`/*#\\\\{}$<>=ä \\[\\]]{0,30}", 0..12),
            which in 0..Language::ALL.len(),
            is_top: bool,
        ) {
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let lexed = lex(Language::ALL[which], &lines, is_top);
            prop_assert_eq!(lexed.len(), lines.len());
            for (line, lexed) in lines.iter().zip(lexed) {
                prop_assert_eq!(lexed.code.len(), line.len());
                prop_assert_eq!(lexed.text.len(), line.len());
                for range in lexed.literals.into_iter().map(|literal| literal.range) {
                    prop_assert!(range.start <= range.end && range.end <= line.len());
                }
            }
        }
    }
}
