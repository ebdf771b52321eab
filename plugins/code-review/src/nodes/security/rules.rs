//! The rules of the security node, but for secrets.

use crate::finding::Confidence::{Low as Unsure, Medium as Likely};
use crate::finding::Node::Security;
use crate::finding::Severity::{Critical, High, Low, Medium};
use crate::language::Language;
use crate::rule::Rule;

/// Where queries are written as text.
const WITH_QUERIES: &[Language] = &[
    Language::Rust,
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Java,
    Language::Ruby,
];

pub(super) static DYNAMIC_CODE: Rule = Rule::new("security/dynamic-code", Security, High).says(
    "Text is run as code.",
    "Whoever can choose any part of the text can do whatever the program can.",
    "Parse the text, or map it to functions that are known beforehand.",
);
pub(super) static SHELL_COMMAND: Rule = Rule::new("security/shell-command", Security, High).languages(&[Language::Rust]).says(
    "A command is put together and given to a shell.",
    "A shell gives many characters a meaning, so that an argument can become a command of its own.",
    "Start the program itself with a list of arguments, without a shell.",
);
pub(super) static UNSAFE_DESERIALIZATION: Rule =
    Rule::new("security/unsafe-deserialization", Security, High).says(
        "Data is read in a form that can carry code.",
        "Reading it builds objects of any type, and some run code while they are built.",
        "Read a plain format such as JSON, or the safe loader of this one.",
    );
pub(super) static SQL_INJECTION: Rule = Rule::new("security/sql-injection", Security, Critical)
    .confidence(Likely)
    .languages(WITH_QUERIES)
    .says(
        "A value is put into the text of a query.",
        "The value can end the place that it was meant for and change what the query does.",
        "Leave a placeholder in the text and pass the value as a parameter.",
    );
pub(super) static HTML_INJECTION: Rule =
    Rule::new("security/html-injection", Security, High).confidence(Likely).says(
        "A value is put into a page as HTML.",
        "The value can bring scripts along, which then act as whoever reads the page.",
        "Set it as text, or pass it through a sanitizer that is kept up to date.",
    );
pub(super) static TLS_DISABLED: Rule = Rule::new("security/tls-disabled", Security, High).says(
    "The other side's certificate isn't checked.",
    "Anybody on the way can answer in its place, read what is sent and change it.",
    "Check certificates; where they are your own, trust their authority by name.",
);
pub(super) static WEAK_HASH: Rule =
    Rule::new("security/weak-hash", Security, Medium).confidence(Likely).says(
        "MD5 or SHA-1 is used.",
        "Two texts of the same hash can be made for both, so it proves nothing against an attacker.",
        "Use SHA-256 or better; for passwords a function that is made for them, such as Argon2.",
    );
pub(super) static WEAK_CIPHER: Rule = Rule::new("security/weak-cipher", Security, High).says(
    "A broken cipher or mode is used.",
    "DES, RC4 and Blowfish can be broken today, and ECB shows which blocks are equal.",
    "Use AES-GCM or ChaCha20-Poly1305 with a fresh nonce for each message.",
);
pub(super) static WEAK_RANDOM: Rule =
    Rule::new("security/weak-random", Security, High).confidence(Likely).languages(&[Language::Python, Language::JavaScript, Language::TypeScript, Language::Go, Language::Java, Language::Ruby]).says(
        "A secret is drawn from a generator that can be predicted.",
        "Who has seen a few of its numbers knows the next ones.",
        "Use the system's generator: `secrets`, `crypto.randomBytes`, `crypto/rand`, `SecureRandom`.",
    );
pub(super) static PATH_TRAVERSAL: Rule =
    Rule::new("security/path-traversal", Security, High).confidence(Likely).says(
        "A path is made of what a request says.",
        "With `..` or a leading slash it names any file that the program can reach.",
        "Take the last component only, or check that the resolved path is still below the folder.",
    );
pub(super) static OPEN_REDIRECT: Rule =
    Rule::new("security/open-redirect", Security, Medium).confidence(Likely).says(
        "A request says where its answer redirects to.",
        "A link to this site can lead to any other, which then looks as if it were vouched for.",
        "Redirect to paths of your own only, or look the target up in a list.",
    );
pub(super) static REQUEST_FORGERY: Rule =
    Rule::new("security/request-forgery", Security, High).confidence(Likely).says(
        "A request says which address the server asks.",
        "It can name services that only the server reaches, and read what they answer.",
        "Let it choose from a list, and refuse addresses of private networks after resolving names.",
    );
pub(super) static JWT_UNVERIFIED: Rule = Rule::new("security/jwt-unverified", Security, Critical)
    .says(
        "A token is read without its signature being checked.",
        "Anybody can write one that says they are somebody else.",
        "Verify it with the key and the one algorithm that you expect.",
    );
pub(super) static TIMING_COMPARISON: Rule = Rule::new(
    "security/timing-comparison",
    Security,
    Medium,
)
.confidence(Likely)
.languages(&[
    Language::Python,
    Language::JavaScript,
    Language::TypeScript,
    Language::Go,
    Language::Ruby,
])
.says(
    "A signature is compared byte by byte.",
    "The comparison takes the longer the more bytes are right, which gives them away one by one.",
    "Compare in constant time: `hmac.compare_digest`, `timingSafeEqual`, `ConstantTimeCompare`.",
);
pub(super) static DEBUG_SERVER: Rule =
    Rule::new("security/debug-server", Security, High).confidence(Likely).says(
        "A server is started in debug mode.",
        "Its error pages show the program and may run code for whoever finds one.",
        "Take the mode from the environment and leave it off where others can reach the server.",
    );
pub(super) static CSRF_DISABLED: Rule =
    Rule::new("security/csrf-disabled", Security, High).confidence(Likely).says(
        "The check against forged requests is switched off.",
        "Any page that a user visits can then act in their name.",
        "Leave it on, and exempt only routes that don't go by cookies.",
    );
pub(super) static MASS_ASSIGNMENT: Rule =
    Rule::new("security/mass-assignment", Security, High).confidence(Likely).says(
        "Whatever a request says is assigned to an object.",
        "It can set members that it was never meant to, such as a role or an owner.",
        "Name the members that may be set.",
    );
pub(super) static INSECURE_TEMPORARY_FILE: Rule =
    Rule::new("security/insecure-temporary-file", Security, Medium).says(
        "A temporary file has a name before it exists.",
        "Somebody else can put a file or link of that name there first.",
        "Let the library create and open it in one step, such as `mkstemp` or `mktemp`.",
    );
pub(super) static ARCHIVE_EXTRACTION: Rule =
    Rule::new("security/archive-extraction", Security, Medium).confidence(Likely).says(
        "An archive is unpacked as it says.",
        "Its members can have paths out of the folder, and links to anywhere.",
        "Pass `filter=\"data\"`, or check each member's path before it is unpacked.",
    );
pub(super) static UNSAFE_BLOCK: Rule = Rule::new("security/unsafe-block", Security, Medium)
    .confidence(Likely)
    .languages(&[Language::Rust])
    .says(
        "Unsafe code says nothing of why it is sound.",
        "What the compiler can't check, the next reader has to, and can't without the reason.",
        "Say in a `SAFETY:` comment above which conditions hold, or do without.",
    );
pub(super) static UNCHECKED_MEMORY: Rule =
    Rule::new("security/unchecked-memory", Security, High).confidence(Likely).says(
        "Memory is taken for another type.",
        "If size, alignment or values don't fit, anything can happen, also elsewhere.",
        "Convert the values, or use a checked cast of a crate that is made for it.",
    );
pub(super) static BIDI_CONTROL: Rule = Rule::new("security/bidi-control", Security, High).says(
    "The line has characters that change the order in which it is shown.",
    "What a reviewer sees isn't what is compiled.",
    "Take them out, or write them as escapes.",
);
pub(super) static PIPE_TO_SHELL: Rule = Rule::new("security/pipe-to-shell", Security, High).says(
    "What is downloaded is run at once.",
    "Whoever controls the address, or the way there, runs commands here.",
    "Download a fixed version, check its hash, then run it.",
);
pub(super) static UNGUARDED_REMOVAL: Rule = Rule::new("security/unguarded-removal", Security, High)
    .says(
        "A folder is removed whose name is a variable and a slash.",
        "Where the variable is empty, everything is removed.",
        "Write `${NAME:?}`, so that an empty one ends the script.",
    );
pub(super) static WORLD_WRITABLE: Rule = Rule::new("security/world-writable", Security, Medium)
    .says(
        "Everybody may write to a file.",
        "Any program of any user can replace it.",
        "Give the rights to the user or group that needs them.",
    );
pub(super) static SSH_HOST_CHECK: Rule = Rule::new("security/ssh-host-check", Security, Medium)
    .says(
        "The host's key isn't checked.",
        "Anybody on the way can be the host.",
        "Ship the key in `known_hosts`, or use `accept-new` where the first contact is trusted.",
    );
pub(super) static BROAD_GRANT: Rule = Rule::new("security/broad-grant", Security, High).says(
    "Everybody gets every right.",
    "One leaked account of any kind is then enough to read and change the table.",
    "Grant the rights that are needed to the role that needs them.",
);
pub(super) static CROSS_ORIGIN: Rule =
    Rule::new("security/cross-origin", Security, Medium).confidence(Likely).says(
        "Any other site may read this.",
        "A page that a user visits gets what was meant for your own.",
        "Name the origins that may.",
    );
pub(super) static WORKFLOW_INJECTION: Rule =
    Rule::new("security/workflow-injection", Security, Critical).languages(&[Language::Yaml]).says(
        "A workflow puts text of strangers into its script.",
        "The text is put in before the shell sees it, so a title can be a command.",
        "Pass it in an environment variable and quote that in the script.",
    );
pub(super) static WORKFLOW_UNTRUSTED_CHECKOUT: Rule = Rule::new(
    "security/workflow-untrusted-checkout",
    Security,
    Critical,
)
.languages(&[Language::Yaml])
.confidence(Likely)
.says(
    "A workflow with the repository's rights checks out a stranger's code.",
    "`pull_request_target` gives secrets and a token that writes to whatever that code runs.",
    "Use `pull_request`, or don't check out the head of the request.",
);
pub(super) static WORKFLOW_UNPINNED_ACTION: Rule =
    Rule::new("security/workflow-unpinned-action", Security, Medium)
        .languages(&[Language::Yaml])
        .says(
            "An action is taken from a branch.",
            "Whoever can push to that branch runs code with this workflow's rights.",
            "Name a commit, or at least a release.",
        );
pub(super) static WORKFLOW_WRITE_ALL: Rule =
    Rule::new("security/workflow-write-all", Security, High).languages(&[Language::Yaml]).says(
        "A workflow may write everything.",
        "One step that goes wrong can then change code, releases and settings.",
        "Give each job the permissions that it needs.",
    );
pub(super) static CONTAINER_PRIVILEGED: Rule =
    Rule::new("security/container-privileged", Security, High).says(
        "A container gets the rights of its host.",
        "Who breaks into it has the machine and everything that runs there.",
        "Leave it out, or add the single capability that is needed.",
    );
pub(super) static DOCKER_SECRET: Rule = Rule::new("security/docker-secret", Security, High)
    .languages(&[Language::Dockerfile])
    .confidence(Likely)
    .cause("secret")
    .says(
        "An image has a secret in it.",
        "Every layer and the history can be read by whoever can pull it.",
        "Mount it while building with `RUN --mount=type=secret`, or pass it when starting.",
    );
pub(super) static DOCKER_REMOTE_ADD: Rule =
    Rule::new("security/docker-remote-add", Security, Medium).says(
        "A file from the network becomes part of an image unchecked.",
        "Whatever the address answers that day is built in.",
        "Give `ADD` a `--checksum`, or download and check it in a step of its own.",
    );
pub(super) static DOCKER_ROOT: Rule = Rule::new("security/docker-root", Security, Medium)
    .confidence(Unsure)
    .languages(&[Language::Dockerfile])
    .says(
        "The container runs as root.",
        "Who breaks out of the program can do everything in the container, and has less to go.",
        "Change to a user of its own before the command.",
    );
pub(super) static DOCKER_FLOATING_TAG: Rule =
    Rule::new("security/docker-floating-tag", Security, Low)
        .languages(&[Language::Dockerfile])
        .says(
            "An image is built on whatever is newest.",
            "Two builds of the same commit differ, and nobody sees what changed.",
            "Name a version, better with its digest.",
        );
