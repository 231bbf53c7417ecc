//! Processes as Linux lists them in `/proc`. On other systems, the functions find none.

use std::{fs, path::Path};

use rustix::process::{Pid, Signal, kill_process};

/// Returns the maximum memory of a process and its descendants, in bytes: the peak of each, of
/// which the pages of files count once, since processes share them.
pub(crate) fn memory(root: u32) -> Option<u64> {
    let mut pids = vec![root];
    let (mut own, mut files) = (0, 0);
    while let Some(pid) = pids.pop() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // A process that is ending has no memory.
        if let (Some(peak), Some(file)) = (field(&status, "VmHWM:"), field(&status, "RssFile:")) {
            own += peak.saturating_sub(file);
            files = file.max(files);
        }
        pids.extend(children(pid));
    }
    Some((own + files) * 1024).filter(|bytes| *bytes > 0)
}

/// Returns the number of kB in a line of a file in `/proc`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers = |list: String| -> Vec<u32> {
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    };
    lists.flat_map(numbers).collect()
}

/// Kills the processes that started with this `HOSTNAME`, in whatever process group or session
/// they are.
pub(crate) fn kill_marked(hostname: &str) {
    let mark = format!("HOSTNAME={hostname}");
    let is_marked = |dir: &Path| {
        let variables = fs::read(dir.join("environ")).unwrap_or_default();
        variables.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw)
            && is_marked(&entry.path())
        {
            // Fails only if the process has ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
