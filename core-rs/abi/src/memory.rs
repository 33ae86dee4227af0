//! How much memory this process may still take, in bytes.

use std::fs::read_to_string;
use std::path::Path;

/// What is free: the least of the machine's available memory, what the control groups leave, and
/// what the limits on address space and data leave. `u64::MAX` where the system says nothing.
pub fn available_bytes() -> u64 {
    let read = |path: &str| read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let limits = read("/proc/self/limits");
    let bounds = [
        kibibytes(&read("/proc/meminfo"), "MemAvailable:"),
        control_group(Path::new("/sys/fs/cgroup"), &read("/proc/self/cgroup")),
        left(soft_limit(&limits, "Max address space"), kibibytes(&status, "VmSize:")),
        left(soft_limit(&limits, "Max data size"), kibibytes(&status, "VmData:")),
    ];
    bounds.into_iter().flatten().min().unwrap_or(u64::MAX)
}

fn left(limit: Option<u64>, used: Option<u64>) -> Option<u64> {
    limit.map(|limit| limit.saturating_sub(used.unwrap_or(0)))
}

/// The value of a line such as `MemAvailable:   24117248 kB` (proc(5)), in bytes.
fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit of a line such as `Max data size   unlimited   unlimited   bytes`; `None` when
/// there is none.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let values = limits.lines().find_map(|line| line.strip_prefix(name))?;
    values.split_whitespace().next()?.parse().ok()
}

/// What the version 2 control group named in `membership` and its parents leave, from files below
/// `root`. Pages of files that are not in use count as free: the kernel takes them back first.
fn control_group(root: &Path, membership: &str) -> Option<u64> {
    let path = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let number = |group: &Path, name: &str| {
        read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok()
    };
    root.join(path)
        .ancestors()
        .take_while(|group| group.starts_with(root))
        .filter_map(|group| {
            let limit = number(group, "memory.max")?;
            let current = number(group, "memory.current")?;
            let statistics = read_to_string(group.join("memory.stat")).unwrap_or_default();
            let files = statistics
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok())
                .unwrap_or(0);
            Some(limit.saturating_sub(current.saturating_sub(files)))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, remove_dir_all, write};

    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units
Max data size             unlimited            unlimited            bytes
Max address space         8589934592           unlimited            bytes
";

    #[test]
    fn this_machine_has_some_memory() {
        let bytes = available_bytes();
        assert!(bytes > 1 << 20, "{bytes}");
    }

    #[test]
    fn lines_of_proc_are_read_in_bytes() {
        let meminfo = "MemTotal:       24117248 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(kibibytes(meminfo, "MemAvailable:"), Some(1 << 20));
        assert_eq!(kibibytes(meminfo, "SwapFree:"), None);
        assert_eq!(kibibytes("MemAvailable: 99999999999999999999 kB", "MemAvailable:"), None);
    }

    #[test]
    fn unlimited_is_no_limit() {
        assert_eq!(soft_limit(LIMITS, "Max address space"), Some(8 << 30));
        assert_eq!(soft_limit(LIMITS, "Max data size"), None);
        assert_eq!(left(Some(10), Some(30)), Some(0));
        assert_eq!(left(None, Some(30)), None);
    }

    #[test]
    fn the_tightest_control_group_counts_and_idle_file_pages_are_free() {
        let root = std::env::temp_dir().join(format!("tgi-cgroup-{}", std::process::id()));
        let group = root.join("pod/container");
        create_dir_all(&group).unwrap();
        write(root.join("pod/memory.max"), "1000\n").unwrap();
        write(root.join("pod/memory.current"), "700\n").unwrap();
        write(root.join("pod/memory.stat"), "anon 600\ninactive_file 100\n").unwrap();
        write(group.join("memory.max"), "max\n").unwrap();
        write(group.join("memory.current"), "700\n").unwrap();
        let free = control_group(&root, "9:name=systemd:/\n0::/pod/container\n");
        remove_dir_all(&root).unwrap();
        assert_eq!(free, Some(400));
        assert_eq!(control_group(&root, "4:memory:/old\n"), None);
    }
}
