//! `glasshouse doctor`: what this kernel and this user can do, check by check, with a remedy for each that fails.

use std::{
    fs,
    io::{self, Write},
};

use crate::{
    facts::ProbeFacts,
    host,
    launch::{EXIT_FAILED, cgroup::Cgroup, identity, quoted},
    observe::{
        ObserveError, SETCAP,
        inspect::{self, Inspection},
        plan::PROBES,
    },
};

/// Exit code when observation is not possible.
const EXIT_UNFIT: u8 = 1;

/// Oldest kernel that has all that is needed (`bpf_loop`).
const OLDEST_KERNEL: (u32, u32) = (5, 17);

/// Numbers of include/uapi/linux/capability.h, and what each is for.
const CAP_DAC_READ_SEARCH: u32 = 2;
const CAP_SYS_PTRACE: u32 = 19;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// What came out of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// As it should be.
    Good,
    /// Observation works, and lacks something.
    Wanting,
    /// Observation does not work.
    Failed,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    found: String,
    remedy: Option<String>,
}

impl Check {
    fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, found: found.into(), remedy: None }
    }

    fn wanting(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Wanting, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn failed(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Failed, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Runs the subcommand; `programs` asks for the verifier's statistics as well. Returns the exit code: 0 if commands
/// can be observed, 1 if not.
pub fn run(programs: bool) -> u8 {
    let inspection = inspect::inspect();
    let privileges = privileges();
    let permitted = privileges.verdict == Verdict::Good;
    let mut checks = vec![kernel(&host::facts().kernel), types(), lockdown(), jit(), privileges];
    checks.extend(observation(&inspection, permitted));
    checks.extend([hashing(), cgroup(), user()]);
    let fit = checks.iter().all(|check| check.verdict != Verdict::Failed);
    let mut out = io::stdout().lock();
    let mut written = report(&mut out, &checks);
    if let (true, Ok(inspection)) = (programs, &inspection) {
        written = written.and_then(|()| statistics(&mut out, inspection));
    }
    match written {
        Err(_) => EXIT_FAILED,
        Ok(()) if fit => 0,
        Ok(()) => EXIT_UNFIT,
    }
}

fn report(out: &mut dyn Write, checks: &[Check]) -> io::Result<()> {
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Good => "ok",
            Verdict::Wanting => "partly",
            Verdict::Failed => "FAILED",
        };
        writeln!(out, "{verdict:<7} {:<18} {}", check.name, check.found)?;
        if let Some(remedy) = &check.remedy {
            writeln!(out, "{:<26} -> {remedy}", "")?;
        }
    }
    let all = |verdict| checks.iter().all(|check| check.verdict != verdict);
    let conclusion = match (all(Verdict::Failed), all(Verdict::Wanting)) {
        (true, true) => "commands can be observed completely",
        (true, false) => "commands can be observed, but for what is said above",
        (false, _) => "commands cannot be observed",
    };
    writeln!(out, "\n{conclusion}")
}

/// Not a gate: the numbers differ between kernels.
fn statistics(out: &mut dyn Write, inspection: &Inspection) -> io::Result<()> {
    writeln!(
        out,
        "\n{:<14} {:<7} {:>9} {:>13} {:>14}",
        "program", "kind", "verified", "instructions", "machine bytes"
    )?;
    for program in &inspection.programs {
        writeln!(
            out,
            "{:<14} {:<7} {:>9} {:>13} {:>14}",
            program.name,
            program.kind,
            program.verified_instructions,
            program.instructions,
            program.machine_code_bytes
        )?;
    }
    Ok(())
}

fn kernel(release: &str) -> Check {
    const NAME: &str = "kernel";
    let (major, minor) = OLDEST_KERNEL;
    let mut numbers = release.split(['.', '-', '+', ' ']).map(|number| number.parse::<u32>().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(found_major), Some(found_minor)) if (found_major, found_minor) < OLDEST_KERNEL => {
            Check::failed(
                NAME,
                format!("Linux {release}"),
                format!("glasshouse needs Linux {major}.{minor} or later"),
            )
        }
        _ => Check::good(NAME, format!("Linux {release}, {}", std::env::consts::ARCH)),
    }
}

fn types() -> Check {
    const NAME: &str = "kernel types";
    match inspect::check_types() {
        Ok(()) => Check::good(NAME, "/sys/kernel/btf/vmlinux has what is needed"),
        Err(error) => Check::failed(
            NAME,
            error.to_string(),
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y; the kernels of current distributions are",
        ),
    }
}

/// Lockdown's strictest mode keeps eBPF programs from reading kernel memory.
fn lockdown() -> Check {
    lockdown_of(fs::read_to_string("/sys/kernel/security/lockdown").ok().as_deref())
}

fn lockdown_of(state: Option<&str>) -> Check {
    const NAME: &str = "lockdown";
    let Some(state) = state else { return Check::good(NAME, "none") };
    let active = state.split(['[', ']']).nth(1).unwrap_or("unknown");
    if active == "confidentiality" {
        Check::failed(NAME, active, "boot without lockdown=confidentiality; `integrity` does no harm")
    } else {
        Check::good(NAME, active)
    }
}

fn jit() -> Check {
    const NAME: &str = "eBPF compiler";
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable") {
        Ok(value) if value.trim() == "0" => Check::wanting(
            NAME,
            "off: every system call takes longer",
            "sudo sysctl net.core.bpf_jit_enable=1",
        ),
        Ok(_) => Check::good(NAME, "on"),
        // Not shown in network namespaces other than the first; a kernel without the setting compiles always.
        Err(_) => Check::good(NAME, "not told"),
    }
}

fn effective_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0)
}

fn own_path() -> String {
    std::env::current_exe().map_or_else(|_| "glasshouse".to_owned(), quoted)
}

fn has(capabilities: u64, capability: u32) -> bool {
    capabilities >> capability & 1 == 1
}

fn privileges() -> Check {
    privileges_with(effective_capabilities(), &own_path())
}

fn privileges_with(capabilities: u64, program: &str) -> Check {
    const NAME: &str = "privileges";
    let needed = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")];
    let lacking: Vec<_> =
        needed.iter().filter(|(number, _)| !has(capabilities, *number)).map(|(_, name)| *name).collect();
    if lacking.is_empty() || has(capabilities, CAP_SYS_ADMIN) {
        return Check::good(NAME, "eBPF programs may be loaded");
    }
    Check::failed(
        NAME,
        format!("lacks {}", lacking.join(" and ")),
        format!("run it with sudo, or: {SETCAP} {program}"),
    )
}

/// Whether the programs load and attach, and those that do without their better hook.
fn observation(inspection: &Result<Inspection, ObserveError>, permitted: bool) -> Vec<Check> {
    const NAME: &str = "eBPF programs";
    match inspection {
        Err(ObserveError::NotPermitted(_)) if !permitted => {
            vec![Check::failed(NAME, "cannot be loaded by this user", "see `privileges`")]
        }
        Err(error) => {
            vec![Check::failed(
                NAME,
                error.to_string(),
                "see the checks above; the first that failed is the cause",
            )]
        }
        Ok(inspection) => probes(NAME, &inspection.probes),
    }
}

fn probes(name: &'static str, probes: &[ProbeFacts]) -> Vec<Check> {
    let attached = probes.iter().filter(|probe| probe.attached).count();
    let mut checks = vec![Check::good(name, format!("{attached} of {} loaded and attached", probes.len()))];
    for probe in probes.iter().filter(|probe| !probe.attached) {
        let reason = probe.reason.as_deref().unwrap_or("not attached");
        checks.push(Check::good(name, format!("{} is done without: {reason}", probe.name)));
    }
    let typed = |name: &str| PROBES.iter().any(|probe| probe.typed && probe.name == name);
    for probe in probes.iter().filter(|probe| probe.attached && probe.kind == "raw_tp" && typed(&probe.name))
    {
        checks.push(Check::wanting(
            name,
            format!("{} is attached as raw_tp, which gives sockets no number", probe.name),
            "nothing needs to be done; a kernel with tp_btf tells more of the states of connections",
        ));
    }
    checks
}

fn hashing() -> Check {
    hashing_with(effective_capabilities(), &own_path())
}

fn hashing_with(capabilities: u64, program: &str) -> Check {
    const NAME: &str = "hashing";
    let needed = [(CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"), (CAP_SYS_PTRACE, "CAP_SYS_PTRACE")];
    let lacking: Vec<_> =
        needed.iter().filter(|(number, _)| !has(capabilities, *number)).map(|(_, name)| *name).collect();
    if lacking.is_empty() {
        return Check::good(NAME, "every executed file can be read");
    }
    Check::wanting(
        NAME,
        format!("lacks {}: executed files of other users may have no digest", lacking.join(" and ")),
        format!("run it with sudo, or: {SETCAP} {program}"),
    )
}

fn cgroup() -> Check {
    const NAME: &str = "cgroup";
    match Cgroup::create() {
        Ok(mut group) => {
            let parent = group.path().parent().map(quoted).unwrap_or_default();
            match group.remove() {
                Ok(()) => Check::good(NAME, format!("groups can be made in {parent}")),
                Err(error) => Check::wanting(
                    NAME,
                    format!("{} could be made and not removed: {error}", quoted(group.path())),
                    format!("sudo rmdir {}", quoted(group.path())),
                ),
            }
        }
        Err(reason) => Check::wanting(
            NAME,
            reason,
            "without one, receipts are `partial`; give the user a group of their own (systemd-run --user --scope -p \
             Delegate=yes …), or run it with sudo",
        ),
    }
}

fn user() -> Check {
    const NAME: &str = "commands run as";
    let caller = identity::Caller::current();
    if let Some(reason) = caller.unclear {
        return Check::failed(NAME, reason, "unset SUDO_UID and SUDO_GID, or name the user with --user NAME");
    }
    let (uid, _) = caller.owner();
    let name = identity::user_name(uid).unwrap_or_else(|| "a user without a name".to_owned());
    let shown = quoted(&name);
    match (uid, caller.sudo) {
        (0, None) => Check::good(
            NAME,
            format!("{shown} (0): a workload with root can defeat what observes it; consider --user NAME"),
        ),
        (uid, Some(_)) => Check::good(NAME, format!("{shown} ({uid}), who typed sudo")),
        (uid, None) => {
            Check::good(NAME, format!("{shown} ({uid}), glasshouse's own user: it can be tampered with"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_kernels_are_refused() {
        for (release, verdict) in [
            ("5.16.20-generic #1 SMP", Verdict::Failed),
            ("4.19.0", Verdict::Failed),
            ("5.17.0-rc1", Verdict::Good),
            ("6.18.44-fc-v595 #1 SMP", Verdict::Good),
            ("10.0", Verdict::Good),
            // What cannot be read is left to the other checks.
            ("", Verdict::Good),
        ] {
            assert_eq!(kernel(release).verdict, verdict, "{release}");
        }
    }

    #[test]
    fn privileges_name_what_is_lacking_and_what_to_type() {
        let all = 1 << CAP_BPF | 1 << CAP_PERFMON;
        assert_eq!(privileges_with(all, "gh").verdict, Verdict::Good);
        assert_eq!(privileges_with(1 << CAP_SYS_ADMIN, "gh").verdict, Verdict::Good);
        let check = privileges_with(1 << CAP_BPF, "'a b'");
        assert_eq!((check.verdict, check.found.as_str()), (Verdict::Failed, "lacks CAP_PERFMON"));
        assert!(check.remedy.is_some_and(|remedy| remedy.ends_with("+ep 'a b'")));
        assert_eq!(privileges_with(0, "gh").found, "lacks CAP_BPF and CAP_PERFMON");
        assert_eq!(hashing_with(0, "gh").verdict, Verdict::Wanting);
        assert_eq!(hashing_with(u64::MAX, "gh").verdict, Verdict::Good);
    }

    #[test]
    fn only_the_strictest_lockdown_is_in_the_way() {
        assert_eq!(lockdown_of(None).verdict, Verdict::Good);
        assert_eq!(lockdown_of(Some("none [integrity] confidentiality\n")).verdict, Verdict::Good);
        assert_eq!(lockdown_of(Some("none integrity [confidentiality]\n")).verdict, Verdict::Failed);
    }

    #[test]
    fn a_probe_that_is_done_without_is_no_failure() {
        let probe = |name: &str, kind: &str, attached: bool| ProbeFacts {
            name: name.to_owned(),
            kind: kind.to_owned(),
            attached,
            reason: (!attached).then(|| "no such tracepoint".to_owned()),
        };
        let found = probes(
            "eBPF programs",
            &[
                probe("sys_exit", "raw_tp", true),
                probe("sock_state", "raw_tp", true),
                probe("prepare_exec", "raw_tp", false),
            ],
        );
        assert_eq!(found[0].found, "2 of 3 loaded and attached");
        assert_eq!(found[1].found, "prepare_exec is done without: no such tracepoint");
        assert_eq!(found[2].verdict, Verdict::Wanting);
        assert_eq!(found.len(), 3, "only those are wanting that do less");
    }

    #[test]
    fn the_report_has_a_line_for_each_check_and_a_conclusion() {
        let render = |checks: &[Check]| {
            let mut out = Vec::new();
            report(&mut out, checks).map(|()| String::from_utf8_lossy(&out).into_owned())
        };
        let good = Check::good("kernel", "Linux 6.1");
        let text = render(std::slice::from_ref(&good)).unwrap_or_default();
        assert_eq!(text, "ok      kernel             Linux 6.1\n\ncommands can be observed completely\n");
        let failed = Check::failed("privileges", "lacks CAP_BPF", "run it with sudo");
        let text = render(&[good, failed]).unwrap_or_default();
        assert!(text.contains("FAILED  privileges         lacks CAP_BPF\n"), "{text}");
        assert!(text.contains(" -> run it with sudo\n"), "{text}");
        assert!(text.ends_with("\ncommands cannot be observed\n"), "{text}");
    }
}
