//! The performance node's patterns by language.

use crate::nodes::pattern::{GO, JAVA, PYTHON, Pattern, Place, RUBY, RUST, SCRIPT, SQL};

use super::rules::*;

pub(super) const LOOPS: &[Pattern] = &[
    Pattern::code(&QUERY_IN_LOOP, PYTHON, r"\.objects\.(?:get|filter|create|get_or_create|update_or_create|exclude)\s*\(|\b(?:cursor|cur|conn|connection|db|session)\.(?:execute|query|scalar|get|fetchrow|fetchval)\s*\(")
        .within(Place::Loop),
    Pattern::code(&QUERY_IN_LOOP, SCRIPT, r"\bawait\s+(?:this\.)?(?:\w+\.)*(?:db|pool|client|conn|connection|knex|prisma|sequelize|repository|repo|\w+Repository|\w*[mM]odel|[A-Z]\w*)\.(?:\w+\.)?(?:query|execute|find|findOne|findById|findUnique|findFirst|findAll|findMany|save|create|update|insert|insertOne|updateOne|deleteOne|destroy)\s*\(")
        .within(Place::Loop),
    Pattern::code(&QUERY_IN_LOOP, GO, r"\b(?:\w+\.)?(?:db|tx|conn|store|stmt)\.(?:Query|QueryRow|Exec|QueryContext|QueryRowContext|ExecContext|Get|Select|First|Find)\s*\(")
        .within(Place::Loop),
    Pattern::code(&QUERY_IN_LOOP, JAVA, r"\b(?:\w*[rR]epository|\w*[dD]ao|jdbcTemplate|entityManager|em|session)\.(?:find\w*|get\w*|query\w*|save|persist|update|delete\w*)\s*\(")
        .within(Place::Loop),
    Pattern::code(&QUERY_IN_LOOP, RUBY, r"\b[A-Z]\w+\.(?:find|find_by|find_by!|where|create!?|exists\?)[\s(]").within(Place::Loop),
    Pattern::code(&QUERY_IN_LOOP, RUST, r"\bsqlx::query\w*!?\s*(?:::<|\()|\.fetch_(?:one|all|optional)\s*\(|\b(?:conn|connection|client|tx|transaction)\.(?:query|query_row|execute|query_one)\s*\(")
        .within(Place::Loop),
    Pattern::code(&REQUEST_IN_LOOP, PYTHON, r"\b(?:requests|httpx|session|client)\.(?:post|put|delete|head|request)\s*\(|\b(?:requests|httpx)\.get\s*\(|\burlopen\s*\(")
        .within(Place::Loop)
        .not_in_tests(),
    Pattern::code(&REQUEST_IN_LOOP, SCRIPT, r"\bawait\s+(?:fetch|axios(?:\.\w+)?)\s*\(").within(Place::Loop).not_in_tests(),
    Pattern::code(&REQUEST_IN_LOOP, GO, r"\bhttp\.(?:Get|Post|Head|PostForm)\s*\(|\b\w*[cC]lient\.Do\s*\(").within(Place::Loop).not_in_tests(),
    Pattern::code(&REGEX_IN_LOOP, PYTHON, r"\bre\.compile\s*\(").within(Place::Loop),
    Pattern::code(&REGEX_IN_LOOP, SCRIPT, r"\bnew\s+RegExp\s*\(").within(Place::Loop),
    Pattern::code(&REGEX_IN_LOOP, GO, r"\bregexp\.(?:Must)?Compile\s*\(").within(Place::Loop),
    Pattern::code(&REGEX_IN_LOOP, JAVA, r"\bPattern\.compile\s*\(").within(Place::Loop),
    Pattern::code(&REGEX_IN_LOOP, RUBY, r"\bRegexp\.new\s*\(").within(Place::Loop),
    Pattern::code(&REGEX_IN_LOOP, RUST, r"\bRegex(?:Set|Builder)?::new\s*\(").within(Place::Loop),
    Pattern::code(&FRONT_INSERTION, PYTHON, r"\.insert\(\s*0\s*,|\.pop\(\s*0\s*\)").within(Place::Loop),
    Pattern::code(&FRONT_INSERTION, SCRIPT, r"\.(?:unshift|shift)\s*\(").within(Place::Loop),
    Pattern::code(&FRONT_INSERTION, RUST, r"\.insert\(\s*0\s*,|\.remove\(\s*0\s*\)").within(Place::Loop),
    Pattern::code(&FRONT_INSERTION, JAVA, r"\.(?:add\(\s*0\s*,|remove\(\s*0\s*\))").within(Place::Loop),
    Pattern::code(&DEFER_IN_LOOP, GO, r"^\s*defer\s").within(Place::Loop),
    Pattern::code(&TIMER_IN_LOOP, GO, r"\btime\.After\s*\(|\btime\.Tick\s*\(").within(Place::Loop),
    Pattern::code(&CLONE_IN_LOOP, RUST, r"\bfor\s+[\w(), &]+\s+in\s+[\w.]+\.(?:clone|to_vec|to_owned)\(\)(?:\.(?:iter|into_iter)\(\))?\s*\{"),
];

pub(super) const CALLS: &[Pattern] = &[
    Pattern::code(&BLOCKING_IN_ASYNC, PYTHON, r"\btime\.sleep\s*\(|\brequests\.(?:get|post|put|delete|head|patch|request)\s*\(|\bsubprocess\.(?:run|call|check_call|check_output)\s*\(|\burlopen\s*\(|\bos\.system\s*\(")
        .unless(r"to_thread|run_in_executor")
        .within(Place::Async),
    Pattern::code(&BLOCKING_IN_ASYNC, RUST, r"\bthread::sleep\s*\(|\bstd::fs::\w+\s*\(|(?:^|[^\w:])fs::(?:read|write|read_to_string|copy|rename|remove_file|create_dir_all)\s*\(.*\)(?:\?|;|\.unwrap|\.expect)|\breqwest::blocking::|\bstd::process::Command::new\b")
        .unless(r"spawn_blocking|block_in_place|\.await|tokio")
        .within(Place::Async)
        .not_in_tests(),
    Pattern::code(&BLOCKING_IN_ASYNC, SCRIPT, r"\b(?:readFile|writeFile|exec|execFile|spawn|readdir|stat|mkdir|unlink|copyFile|appendFile|gzip|pbkdf2|scrypt)Sync\s*\(")
        .within(Place::Async)
        .not_in_tests(),
    Pattern::code(&SPREAD_ACCUMULATOR, SCRIPT, r"\.reduce\s*\(.*=>\s*\(?\s*[\[{]\s*\.\.\.\s*(?:acc|accumulator|result|prev|memo|all|total)\b"),
    Pattern::code(&NEEDLESS_COLLECT, RUST, r"\.collect::<(?:Vec|HashSet|BTreeSet|VecDeque)<[^()]*>>\(\)\s*\.(?:len\(\)|is_empty\(\)|iter\(\)|into_iter\(\)|contains\()"),
    Pattern::code(&NEEDLESS_COLLECT, PYTHON, r"\blen\(\s*list\(\s*(?:filter|map)\(|\b(?:any|all|sum|min|max)\(\s*\[[^\[\]]+\sfor\s[^\[\]]+\]\s*\)"),
    Pattern::code(&NEEDLESS_COLLECT, SCRIPT, r"\.filter\s*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*(?:\[0\]|\.length\s*(?:>\s*0|===?\s*0|!==?\s*0))"),
    Pattern::code(&SORT_FOR_EXTREME, PYTHON, r"\bsorted\([^()]*(?:\([^()]*\)[^()]*)*\)\[\s*-?[01]\s*\]"),
    Pattern::code(&SORT_FOR_EXTREME, SCRIPT, r"\.sort\s*\([^;]*\)\s*\[0\]"),
    Pattern::code(&SORT_FOR_EXTREME, RUBY, r"\.sort(?:_by)?\b[^;]*\.(?:first|last)\b"),
    Pattern::code(&DEEP_CLONE, SCRIPT, r"\bJSON\.parse\s*\(\s*JSON\.stringify\s*\("),
    Pattern::code(&RANDOM_ORDER, SQL, r"(?i)\border\s+by\s+(?:random|rand|newid)\s*\("),
    Pattern::text(&LEADING_WILDCARD, SQL, r"(?i)\bi?like\s+'%[^'%]"),
    Pattern::code(&INDEX_LOCKS_TABLE, SQL, r"(?i)^\s*create\s+(?:unique\s+)?index\b").unless(r"(?i)\bconcurrently\b"),
];
