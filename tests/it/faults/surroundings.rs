//! The surroundings of the function's process.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::LazyLock;

use testkit::{Process, RuntimeApi, process};

use super::upstream::AUTHORITY;
use crate::support::App;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Surroundings {
    Usual,
    /// The upstream speaks TLS.
    Https,
    /// A question was answered before, and the connections are kept.
    Warm,
    /// The same, and the instance was frozen until both peers had closed the connections.
    FrozenBetween,
    /// Frozen during the request to the upstream, until the deadline has passed.
    FrozenDuring,
    /// The minimum: three standard streams, two connections, and one more descriptor.
    FewDescriptors,
    /// 64 MB of address space.
    LittleMemory,
    /// No writable disk and no variables of the platform; as packaged also an empty root.
    NoDisk,
    /// Standard output is a closed pipe.
    NoLog,
}

impl Surroundings {
    pub(super) const ALL: [Self; 9] = [
        Self::Usual,
        Self::Https,
        Self::Warm,
        Self::FrozenBetween,
        Self::FrozenDuring,
        Self::FewDescriptors,
        Self::LittleMemory,
        Self::NoDisk,
        Self::NoLog,
    ];

    /// Returns whether a question was answered before.
    pub(super) fn is_warm(self) -> bool {
        matches!(self, Self::Warm | Self::FrozenBetween)
    }

    /// Shell commands that set the limits. Descriptors inherited from the tests are closed.
    fn limits(self) -> &'static str {
        match self {
            Self::FewDescriptors => "exec 3>&- 4>&- 5>&- && ulimit -n 6",
            Self::LittleMemory => "ulimit -v 65536",
            Self::NoDisk => "ulimit -f 0",
            _ => ":",
        }
    }

    /// Starts the function on this runtime API.
    pub(super) fn start(self, app: App, api: &RuntimeApi) -> Process {
        let is_bare = self == Self::NoDisk;
        let root = if is_bare { EMPTY_ROOT.as_deref() } else { None };
        let roots = root.map_or(AUTHORITY.1.path(), |_| "/root.pem");
        let app = app.set("SSL_CERT_FILE", roots).command();
        let mut command = process::command("/bin/sh");
        let limits = self.limits();
        match root {
            Some(root) => {
                command.args(["-c", &format!("{limits} && exec chroot \"$0\" /ask")]).arg(root)
            }
            None => {
                command.args(["-c", &format!("{limits} && exec \"$0\"")]).arg(app.get_program())
            }
        };
        command.current_dir("/");
        command.envs(app.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SCF_RUNTIME_API", api.address().ip().to_string());
        command.env("SCF_RUNTIME_API_PORT", api.address().port().to_string());
        if !is_bare {
            command.envs(VARIABLES);
        }
        if self == Self::NoLog {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        }
        Process::spawn(&mut command)
    }
}

/// Variables of the platform beside the address of the runtime API.
const VARIABLES: [(&str, &str); 5] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("HOME", "/home/qcloud"),
    ("LANG", "en_US.UTF8"),
    ("TZ", "UTC"),
    ("TENCENTCLOUD_RUNENV", "SCF"),
];

/// A root with the packaged binary and one certificate. `None` without a package, or if this user
/// is not root: only a static binary runs there, and only root may change to it.
static EMPTY_ROOT: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let packaged = PathBuf::from(std::env::var_os("ASK_PACKAGE")?).join("ask");
    (fs::metadata("/proc/self").ok()?.uid() == 0).then_some(())?;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("empty-root");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(&root).ok()?;
    // By another process: a child that is forked meanwhile would inherit a descriptor of a file
    // written here, and Linux does not execute a file that is open for writing.
    let mut copy = Command::new("cp");
    copy.arg(packaged).arg(root.join("ask")).status().ok().filter(ExitStatus::success)?;
    fs::copy(AUTHORITY.1.path(), root.join("root.pem")).ok()?;
    Some(root)
});
