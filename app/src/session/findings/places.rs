//! Files by which others are made to act.

use super::{
    Rule,
    Severity::{self, High, Low, Medium},
    rules::*,
};
use crate::event::last_component;

/// A kind of such files.
pub(super) struct Place {
    pub(super) rule: &'static Rule,
    /// When it was changed, or opened for that.
    pub(super) changed: Severity,
    /// When that was refused.
    pub(super) refused: Severity,
    has: fn(&[u8]) -> bool,
}

static PLACES: [Place; 5] = [
    Place { rule: &KERNEL_HELPER, changed: High, refused: Medium, has: is_kernel_helper },
    Place { rule: &CONTROL_GROUP, changed: High, refused: Medium, has: is_control_group },
    Place { rule: &SCHEDULED_JOB, changed: Medium, refused: Low, has: is_job },
    Place { rule: &SERVICE_UNIT, changed: Medium, refused: Low, has: is_service },
    Place { rule: &PRELOAD, changed: High, refused: Medium, has: |path| path == b"/etc/ld.so.preload" },
];

/// What kind of such a file a path leads to.
pub(super) fn place(path: &[u8]) -> Option<&'static Place> {
    PLACES.iter().find(|place| (place.has)(path))
}

fn is_below(path: &[u8], folders: &[&str]) -> bool {
    folders
        .iter()
        .any(|folder| path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/")))
}

fn is_kernel_helper(path: &[u8]) -> bool {
    const FILES: [&[u8]; 5] = [
        b"/proc/sys/kernel/core_pattern",
        b"/proc/sys/kernel/modprobe",
        b"/proc/sys/kernel/hotplug",
        b"/proc/sys/kernel/poweroff_cmd",
        b"/sys/kernel/uevent_helper",
    ];
    FILES.contains(&path)
        || is_below(path, &["/proc/sys/fs/binfmt_misc", "/proc/sys/kernel/usermodehelper"])
        || last_component(path) == b"release_agent"
}

/// By their names: a control group file system can be mounted anywhere.
fn is_control_group(path: &[u8]) -> bool {
    const FILES: [&[u8]; 5] =
        [b"cgroup.procs", b"cgroup.threads", b"cgroup.freeze", b"cgroup.kill", b"freezer.state"];
    let name = last_component(path);
    FILES.contains(&name) || name == b"tasks" && path.starts_with(b"/sys/fs/cgroup/")
}

fn is_job(path: &[u8]) -> bool {
    const FOLDERS: [&str; 8] = [
        "/etc/cron.d",
        "/etc/cron.hourly",
        "/etc/cron.daily",
        "/etc/cron.weekly",
        "/etc/cron.monthly",
        "/var/spool/cron",
        "/var/spool/at",
        "/var/spool/anacron",
    ];
    path == b"/etc/crontab" || path == b"/etc/anacrontab" || is_below(path, &FOLDERS)
}

fn is_service(path: &[u8]) -> bool {
    const FOLDERS: [&str; 9] = [
        "/etc/systemd/system",
        "/etc/systemd/user",
        "/run/systemd/system",
        "/run/systemd/user",
        "/usr/lib/systemd/system",
        "/usr/lib/systemd/user",
        "/lib/systemd/system",
        "/lib/systemd/user",
        "/etc/init.d",
    ];
    const UNITS: [&[u8]; 4] = [b".service", b".timer", b".socket", b".path"];
    let of_user = b"/.config/systemd/user/";
    path == b"/etc/rc.local"
        || is_below(path, &FOLDERS)
        // In anybody's home; what is looked for last takes longest.
        || UNITS.iter().any(|end| path.ends_with(end))
            && path.windows(of_user.len()).any(|part| part == of_user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_is_of_its_kind() {
        let check = |path: &str, expected: Option<&str>| {
            assert_eq!(place(path.as_bytes()).map(|place| place.rule.id), expected, "{path}");
        };
        check("/proc/sys/kernel/core_pattern", Some("kernel_helper"));
        check("/proc/sys/fs/binfmt_misc/register", Some("kernel_helper"));
        check("/sys/fs/cgroup/rdma/release_agent", Some("kernel_helper"));
        check("/sys/fs/cgroup/unified/a/cgroup.procs", Some("control_group"));
        check("/sys/fs/cgroup/cpu/tasks", Some("control_group"));
        check("/home/ann/tasks", None);
        check("/etc/cron.d/job", Some("scheduled_job"));
        check("/etc/cron.d", None);
        check("/var/spool/cron/crontabs/ann", Some("scheduled_job"));
        check("/home/ann/.config/systemd/user/x.service", Some("service_unit"));
        check("/etc/systemd/system/x.timer", Some("service_unit"));
        check("/etc/systemd/system.conf", None);
        check("/etc/ld.so.preload", Some("loader_preload"));
        check("/etc/ld.so.cache", None);
    }
}
