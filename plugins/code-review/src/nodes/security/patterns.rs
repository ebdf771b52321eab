//! The security node's patterns by language.

use crate::language::Language;
use crate::nodes::pattern::{
    COMMANDS, DOCKER, GO, JAVA, PYTHON, Pattern, RUBY, RUST, SCRIPT, SHELL, SQL, YAML,
};

use super::rules::*;

const SANITIZED: &str = r#"(?i)sanitiz|dompurify|escape_?html"#;
const DEPLOYMENT: &[Language] = &[Language::Yaml, Language::Config, Language::Shell];

pub(super) const RUNNING: &[Pattern] = &[
    Pattern::code(&DYNAMIC_CODE, PYTHON, r"(?:^|[^\w.])(?:eval|exec)\s*\(")
        .unless(r"\bdef\s+(?:eval|exec)\b"),
    Pattern::code(&DYNAMIC_CODE, SCRIPT, r"(?:^|[^\w.$])eval\s*\(").unless(r"\bfunction\s+eval\b"),
    Pattern::code(&DYNAMIC_CODE, SCRIPT, r"\bnew\s+Function\s*\(|\bvm\.runIn\w*Context\s*\("),
    Pattern::code(
        &DYNAMIC_CODE,
        RUBY,
        r"(?:^|[^\w.:])eval\s*[(\x22]|\bparams\[[^\]]*\]\.constantize\b",
    ),
    Pattern::code(&DYNAMIC_CODE, JAVA, r"[eE]ngine\.eval\s*\("),
    Pattern::text(&DYNAMIC_CODE, SHELL, r#"\beval\s+"?\$[\w{]"#),
    Pattern::code(&SHELL_COMMAND, PYTHON, r"\bshell\s*=\s*True\b")
        .unless(r#"\(\s*["'][^"'%{]*["']\s*,\s*shell"#),
    Pattern::code(&SHELL_COMMAND, PYTHON, r"\bos\.(?:system|popen)\s*\(")
        .unless(r#"\(\s*["'][^"'%{]*["']\s*\)"#),
    Pattern::text(
        &SHELL_COMMAND,
        SCRIPT,
        r#"(?:^|[^\w.]|child_process\.|\bcp\.)exec(?:Sync)?\s*\(\s*(?:`[^`]*\$\{|"[^"]*"\s*\+|'[^']*'\s*\+|\w+\s*\+)"#,
    ),
    Pattern::code(&SHELL_COMMAND, SCRIPT, r"\bshell\s*:\s*true\b"),
    Pattern::text(
        &SHELL_COMMAND,
        GO,
        r#"\bexec\.Command(?:Context)?\(\s*(?:\w+,\s*)?"(?:/bin/)?(?:ba|z)?sh",\s*"-c",\s*(?:[^"\s]|"[^"]*"\s*\+)"#,
    ),
    Pattern::text(&SHELL_COMMAND, JAVA, r#"getRuntime\(\)\.exec\s*\(\s*(?:"[^"]*"\s*\+|\w+\s*\+)"#),
    Pattern::text(
        &SHELL_COMMAND,
        RUBY,
        r##"(?:^|[^\w.])(?:system|exec|spawn|popen|capture[23]e?)[\s(]+"[^"]*#\{"##,
    ),
    Pattern::text(&SHELL_COMMAND, RUBY, r"`[^`]*#\{[^`]*`"),
    Pattern::code(
        &UNSAFE_DESERIALIZATION,
        PYTHON,
        r"\b(?:c?[pP]ickle|dill|marshal|jsonpickle|shelve)\.(?:loads?|open|decode|Unpickler)\s*\(",
    ),
    Pattern::code(&UNSAFE_DESERIALIZATION, PYTHON, r"\byaml\.(?:unsafe_load|load|load_all)\s*\(")
        .unless(r"Safe|BaseLoader"),
    Pattern::code(&UNSAFE_DESERIALIZATION, RUBY, r"\bMarshal\.load\b|\bYAML\.unsafe_load\b"),
    Pattern::code(&UNSAFE_DESERIALIZATION, JAVA, r"\.readObject\s*\(\s*\)|\bnew\s+XMLDecoder\s*\("),
    Pattern::code(
        &PIPE_TO_SHELL,
        COMMANDS,
        r"\b(?:curl|wget)\b[^|;]*\|\s*(?:sudo\s+(?:-\w+\s+)*)?(?:/bin/)?(?:(?:ba|z|da)?sh|python3?)\b",
    ),
    Pattern::text(
        &UNGUARDED_REMOVAL,
        COMMANDS,
        r#"\brm\s+(?:-\w+\s+)*-\w*[rR]\w*\s+(?:-\w+\s+)*"?\$\{?\w+\}?"?/(?:\s|$|\*|")"#,
    ),
    Pattern::code(&WORLD_WRITABLE, COMMANDS, r"\bchmod\s+(?:-\w+\s+)*(?:0?777|a\+rwx|o\+w)\b"),
    Pattern::code(&WORLD_WRITABLE, PYTHON, r"\bos\.chmod\s*\([^)]*0o777\b"),
    Pattern::text(&SSH_HOST_CHECK, DEPLOYMENT, r"\bStrictHostKeyChecking[= ]\s*no\b"),
];

pub(super) const WEB: &[Pattern] = &[
    Pattern::text(&HTML_INJECTION, SCRIPT, r"\.(?:innerHTML|outerHTML)\s*\+?=[^=]")
        .unless(r#"(?i)sanitiz|dompurify|escape_?html|=\s*(?:"[^"]*"|'[^']*'|`[^`$]*`)\s*;?\s*$"#),
    Pattern::text(&HTML_INJECTION, SCRIPT, r"\bdocument\.write(?:ln)?\s*\(")
        .unless(r#"(?i)sanitiz|dompurify|\(\s*(?:"[^"]*"|'[^']*'|`[^`$]*`)\s*\)"#),
    Pattern::code(&HTML_INJECTION, SCRIPT, r"\binsertAdjacentHTML\s*\(|\bdangerouslySetInnerHTML\b")
        .unless(SANITIZED),
    Pattern::code(&HTML_INJECTION, PYTHON, r"\bmark_safe\s*\(|\brender_template_string\s*\(\s*[^\s\x22']")
        .unless(SANITIZED),
    Pattern::code(&HTML_INJECTION, RUBY, r"[\w)\]]\.html_safe\b|\braw\s*\(\s*params\b"),
    Pattern::code(&HTML_INJECTION, GO, r"\btemplate\.(?:HTML|JS|URL)\s*\(\s*[^\x22`\s)]"),
    Pattern::code(
        &PATH_TRAVERSAL,
        PYTHON,
        r"\b(?:open|send_file|FileResponse|join|Path)\s*\([^;]*\brequest\.(?:args|form|values|GET|POST|query_params|files|params)\b",
    )
    .unless(r"secure_filename|safe_join|basename|\.join\(\s*request"),
    Pattern::code(
        &PATH_TRAVERSAL,
        SCRIPT,
        r"\b(?:readFile(?:Sync)?|createReadStream|sendFile|download|join|resolve|unlink(?:Sync)?|writeFile(?:Sync)?)\s*\([^;]*\breq(?:uest)?\.(?:params|query|body)\b",
    )
    .unless(r"basename|(?i)sanitiz"),
    Pattern::code(
        &PATH_TRAVERSAL,
        GO,
        r"\b(?:os\.Open|os\.ReadFile|ioutil\.ReadFile|http\.ServeFile|filepath\.Join)\s*\([^;]*\b(?:r|req|request)\.(?:URL|FormValue|PathValue|Form)\b",
    )
    .unless(r"filepath\.Base|path\.Clean"),
    Pattern::text(&SQL_INJECTION, RUBY, r##"\.(?:where|order|find_by_sql|joins|having|pluck|group|exists\?)[\s(]+"[^"]*#\{"##),
    Pattern::code(&PATH_TRAVERSAL, JAVA, r"\bnew\s+File\s*\([^;]*\brequest\.getParameter\b"),
    Pattern::code(&PATH_TRAVERSAL, RUBY, r"\b(?:File\.(?:open|read|join)|send_file|IO\.read)[\s(][^;]*\bparams\[")
        .unless("basename"),
    Pattern::code(&OPEN_REDIRECT, PYTHON, r"\b(?:redirect|RedirectResponse)\s*\(\s*request\.(?:args|GET|form|POST|query_params|values)\b"),
    Pattern::code(&OPEN_REDIRECT, SCRIPT, r"\bredirect\s*\((?:\d+,\s*)?\s*req(?:uest)?\.(?:query|params|body)\b"),
    Pattern::code(&OPEN_REDIRECT, RUBY, r"\bredirect_to[\s(]+params\["),
    Pattern::code(&OPEN_REDIRECT, GO, r"\bhttp\.Redirect\s*\([^;]*\b(?:FormValue|URL\.Query)\b"),
    Pattern::code(&OPEN_REDIRECT, JAVA, r"\bsendRedirect\s*\(\s*request\.getParameter\b"),
    Pattern::code(
        &REQUEST_FORGERY,
        PYTHON,
        r"\b(?:(?:requests|httpx)\.(?:get|post|put|head|delete)|urlopen)\s*\(\s*request\.(?:args|GET|form|POST|json|query_params|values)\b",
    ),
    Pattern::code(&REQUEST_FORGERY, SCRIPT, r"\b(?:fetch|axios(?:\.\w+)?|got|request)\s*\(\s*req(?:uest)?\.(?:query|params|body)\b"),
    Pattern::code(&REQUEST_FORGERY, GO, r"\bhttp\.(?:Get|Post|Head)\s*\(\s*(?:r|req|request)\.(?:FormValue|URL\.Query)\b"),
    Pattern::text(&JWT_UNVERIFIED, PYTHON, r#"\bjwt\.decode\s*\(.*\bverify\s*=\s*False\b|["']verify_signature["']\s*:\s*False\b"#),
    Pattern::text(&JWT_UNVERIFIED, SCRIPT, r#"\balgorithms?\s*:\s*\[?\s*["']none["']"#),
    Pattern::code(&DEBUG_SERVER, PYTHON, r"\.run\s*\([^)]*\bdebug\s*=\s*True\b|^\s*DEBUG\s*=\s*True\b").not_in_tests(),
    Pattern::code(&CSRF_DISABLED, RUBY, r"\bskip_before_action\s+:verify_authenticity_token\b"),
    Pattern::code(&CSRF_DISABLED, PYTHON, r"@csrf_exempt\b"),
    Pattern::code(&CSRF_DISABLED, JAVA, r"\.csrf\(\)\.disable\(\)|\bcsrf\s*\(\s*\w+\s*->\s*\w+\.disable\b"),
    Pattern::code(&MASS_ASSIGNMENT, RUBY, r"\.permit!"),
    Pattern::code(&MASS_ASSIGNMENT, SCRIPT, r"\bObject\.assign\s*\(\s*\w+\s*,\s*req\.body\b"),
    Pattern::code(&MASS_ASSIGNMENT, PYTHON, r"\*\*request\.(?:json|form|POST|data)\b"),
    Pattern::text(&CROSS_ORIGIN, SCRIPT, r#"\bpostMessage\s*\([^;]*,\s*["']\*["']"#),
    Pattern::text(
        &CROSS_ORIGIN,
        &[Language::Python, Language::JavaScript, Language::TypeScript, Language::Go, Language::Java, Language::Ruby],
        r#"["']Access-Control-Allow-Origin["']\s*[\])]?\s*[,:=]\s*["']\*["']"#,
    ),
];

pub(super) const CRYPTOGRAPHY: &[Pattern] = &[
    Pattern::code(&TLS_DISABLED, PYTHON, r"\bverify\s*=\s*False\b|\b_create_unverified_context\b|\bssl\.CERT_NONE\b|\bcheck_hostname\s*=\s*False\b")
        .unless(r"\bjwt\b"),
    Pattern::text(&TLS_DISABLED, SCRIPT, r#"\brejectUnauthorized["']?\s*:\s*false\b|\bNODE_TLS_REJECT_UNAUTHORIZED["']?\]?\s*=\s*["']?0"#),
    Pattern::code(&TLS_DISABLED, GO, r"\bInsecureSkipVerify\s*[:=]\s*true\b"),
    Pattern::code(&TLS_DISABLED, JAVA, r"\bALLOW_ALL_HOSTNAME_VERIFIER\b|\bNoopHostnameVerifier\b|\bTrustAllStrategy\b|\bsetHostnameVerifier\s*\(\s*\(.*->\s*true\b"),
    Pattern::code(&TLS_DISABLED, RUBY, r"\bVERIFY_NONE\b"),
    Pattern::code(&TLS_DISABLED, RUST, r"\bdanger_accept_invalid_(?:certs|hostnames)\s*\(\s*true\b|\bSslVerifyMode::NONE\b"),
    Pattern::text(&TLS_DISABLED, COMMANDS, r"\bcurl\b[^|;]*\s(?:-[a-zA-Z]*k[a-zA-Z]*|--insecure)(?:\s|$)|\bwget\b[^|;]*\s--no-check-certificate\b|\bhttp\.sslVerify\s*=?\s*false\b|\bstrict-ssl\s*=?\s*false\b|\bNODE_TLS_REJECT_UNAUTHORIZED=0"),
    Pattern::code(&TLS_DISABLED, YAML, r"^\s*-?\s*(?:insecure_?[sS]kip_?(?:[vV]erify|tls_verify)|insecureSkipTLSVerify)\s*:\s*true\b|^\s*(?:verify_ssl|ssl_verify|validate_certs)\s*:\s*(?:false|no)\b"),
    Pattern::code(&WEAK_HASH, PYTHON, r"\bhashlib\.(?:md5|sha1)\s*\(")
        .unless(r"usedforsecurity\s*=\s*False|(?i)etag|cache|checksum"),
    Pattern::text(&WEAK_HASH, PYTHON, r#"\bhashlib\.new\s*\(\s*["'](?:md5|sha1)["']"#),
    Pattern::text(&WEAK_HASH, SCRIPT, r#"\bcreateHash\s*\(\s*["'](?:md5|sha1)["']"#).unless(r"(?i)etag|cache|checksum"),
    Pattern::code(&WEAK_HASH, GO, r"\b(?:md5|sha1)\.(?:New|Sum)\s*\(").unless(r"(?i)etag|cache|checksum"),
    Pattern::text(&WEAK_HASH, JAVA, r#"\bMessageDigest\.getInstance\s*\(\s*"(?:MD5|SHA-?1)""#),
    Pattern::code(&WEAK_HASH, RUBY, r"\bDigest::(?:MD5|SHA1)\b").unless(r"(?i)etag|cache|checksum"),
    Pattern::code(&WEAK_HASH, RUST, r"\b(?:Md5|Sha1)::(?:new|digest)\b|\bmd5::compute\s*\("),
    Pattern::code(&WEAK_CIPHER, PYTHON, r"\b(?:DES3?|ARC4|ARC2|Blowfish)\.new\s*\(|\bMODE_ECB\b|\bmodes\.ECB\s*\("),
    Pattern::text(&WEAK_CIPHER, JAVA, r#"\bCipher\.getInstance\s*\(\s*"(?:DES|RC4|RC2|Blowfish|AES"|AES/ECB)"#),
    Pattern::text(&WEAK_CIPHER, SCRIPT, r#"\bcreateCipher(?:iv)?\s*\(\s*["'](?:des|rc4|bf|aes-\d+-ecb)|\bcreateCipher\s*\("#),
    Pattern::code(&WEAK_CIPHER, GO, r"\b(?:des\.New\w*Cipher|rc4\.NewCipher)\s*\("),
    Pattern::text(&WEAK_CIPHER, RUBY, r#"\bCipher\.new\s*\(\s*["'](?i:des|rc4|bf|aes-\d+-ecb)"#),
    Pattern::code(&INSECURE_TEMPORARY_FILE, PYTHON, r"\btempfile\.mktemp\s*\("),
    Pattern::text(&INSECURE_TEMPORARY_FILE, SHELL, r"/tmp/[\w.-]*\$\$"),
    Pattern::code(&ARCHIVE_EXTRACTION, PYTHON, r"\.extractall\s*\(").unless(r"\bfilter\s*=|(?i)zip"),
    Pattern::code(&UNCHECKED_MEMORY, RUST, r"\btransmute(?:_copy)?\s*(?:::<|\()"),
    Pattern::code(&UNCHECKED_MEMORY, GO, r"\bunsafe\.Pointer\s*\("),
];

pub(super) const DEPLOYED: &[Pattern] = &[
    Pattern::code(&BROAD_GRANT, SQL, r"(?i)\bgrant\s+all\b.*\bto\s+public\b"),
    Pattern::text(&BROAD_GRANT, SQL, r"(?i)\bgrant\s+all\b.*@'%'"),
    Pattern::code(
        &CONTAINER_PRIVILEGED,
        YAML,
        r"^\s*-?\s*(?:privileged|hostNetwork|hostPID|hostIPC|allowPrivilegeEscalation)\s*:\s*true\b|/var/run/docker\.sock\b",
    ),
    Pattern::code(&CONTAINER_PRIVILEGED, SHELL, r"\bdocker\s+run\b.*\s--privileged\b"),
    Pattern::text(&DOCKER_REMOTE_ADD, DOCKER, r"^\s*ADD\s+(?:--chown=\S+\s+)*https?://")
        .unless("--checksum"),
];
