//! Where the command runs: facts about the host, from a handful of small files.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use crate::facts::HostFacts;

/// As much as is read of one file; all of them are far smaller but `/proc/cpuinfo`, whose beginning is enough.
const READ_BYTES: u64 = 16 * 1024;

/// Facts about this host. Each is found out by itself, and absent if it cannot be.
pub fn facts() -> HostFacts {
    Host { root: "/".into() }.facts()
}

/// A host below a directory, which is `/` but for tests.
struct Host {
    root: PathBuf,
}

impl Host {
    fn facts(&self) -> HostFacts {
        let release = self.line("proc/sys/kernel/osrelease").unwrap_or_default();
        let version = self.line("proc/sys/kernel/version").unwrap_or_default();
        HostFacts {
            kernel: format!("{release} {version}").trim().to_owned(),
            // The names are those of `uname -m` for every architecture that glasshouse is built for.
            architecture: std::env::consts::ARCH.to_owned(),
            os: self.os(),
            hostname: self.line("proc/sys/kernel/hostname"),
            boot_id: self.line("proc/sys/kernel/random/boot_id"),
            lsm: self
                .line("sys/kernel/security/lsm")
                .map(|list| list.split(',').map(str::to_owned).collect()),
            virtualization: self.container().or_else(|| self.hypervisor()),
        }
    }

    fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        let file = File::open(self.root.join(path)).ok()?;
        file.take(READ_BYTES).read_to_end(&mut content).ok()?;
        Some(content)
    }

    fn text(&self, path: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    /// The content of a file of one line; absent if there is nothing in it.
    fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path)?;
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    fn exists(&self, path: &str) -> bool {
        fs::exists(self.root.join(Path::new(path))).unwrap_or(false)
    }

    /// `PRETTY_NAME` of os-release(5).
    fn os(&self) -> Option<String> {
        let text = self.text("etc/os-release").or_else(|| self.text("usr/lib/os-release"))?;
        let value = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?.trim();
        let quoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
        let bare = quoted('"').or_else(|| quoted('\'')).unwrap_or(value);
        Some(bare.replace("\\\"", "\"").replace("\\\\", "\\"))
    }

    /// The container that glasshouse itself is in.
    fn container(&self) -> Option<String> {
        if let Some(name) = self.line("run/systemd/container") {
            return Some(name);
        }
        if self.exists("run/.containerenv") {
            return Some("podman".to_owned());
        }
        if self.exists(".dockerenv") {
            return Some("docker".to_owned());
        }
        // Container managers tell their init so (https://systemd.io/CONTAINER_INTERFACE).
        let environment = self.bytes("proc/1/environ").unwrap_or_default();
        if let Some(name) =
            environment.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(b"container="))
        {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
        let groups = self.text("proc/1/cgroup").unwrap_or_default();
        let marks =
            [("/docker", "docker"), ("kubepods", "kubernetes"), ("libpod", "podman"), ("/lxc", "lxc")];
        marks.iter().find(|(mark, _)| groups.contains(mark)).map(|(_, name)| (*name).to_owned())
    }

    /// The hypervisor below this kernel, by the names of systemd-detect-virt(1).
    fn hypervisor(&self) -> Option<String> {
        self.by_firmware().or_else(|| self.by_kernel()).map(str::to_owned)
    }

    fn by_firmware(&self) -> Option<&'static str> {
        for file in ["product_name", "sys_vendor", "board_vendor", "bios_vendor"] {
            let value = self.line(&format!("sys/class/dmi/id/{file}")).unwrap_or_default();
            // An Amazon machine without a hypervisor says so in its product name.
            if value.ends_with(".metal") {
                return None;
            }
            let known = DMI.iter().find(|(mark, _)| value.starts_with(mark));
            if let Some((_, name)) = known {
                return Some(name);
            }
        }
        // No DMI, but ACPI tables; their maker is at offset 10 of the header (ACPI specification, 5.2.6).
        let table = self.bytes("sys/firmware/acpi/tables/FACP")?;
        match table.get(10..16)? {
            b"FIRECK" => Some("firecracker"),
            b"CLOUDH" => Some("cloud-hypervisor"),
            _ => None,
        }
    }

    fn by_kernel(&self) -> Option<&'static str> {
        if self.line("sys/hypervisor/type").as_deref() == Some("xen") {
            return Some("xen");
        }
        let clocks = "sys/devices/system/clocksource/clocksource0/available_clocksource";
        let clocks = self.line(clocks).unwrap_or_default();
        if clocks.contains("kvm-clock") {
            return Some("kvm");
        }
        if clocks.contains("hyperv") {
            return Some("microsoft");
        }
        let processor = self.text("proc/cpuinfo").unwrap_or_default();
        let flags = processor.lines().find(|line| line.starts_with("flags"))?;
        flags.split_ascii_whitespace().any(|flag| flag == "hypervisor").then_some("vm-other")
    }
}

/// Beginnings of DMI strings, and who writes them.
const DMI: [(&str, &str); 15] = [
    ("KVM", "kvm"),
    ("OpenStack", "kvm"),
    ("KubeVirt", "kvm"),
    ("Amazon EC2", "amazon"),
    ("Google Compute Engine", "google"),
    ("Google", "google"),
    ("QEMU", "qemu"),
    ("VMware", "vmware"),
    ("innotek GmbH", "oracle"),
    ("VirtualBox", "oracle"),
    ("Xen", "xen"),
    ("Bochs", "bochs"),
    ("Parallels", "parallels"),
    ("BHYVE", "bhyve"),
    ("Virtual Machine", "microsoft"),
];

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed preparation is a failed test")]
mod tests {
    use std::time::Instant;

    use super::*;

    /// A host that consists of these files.
    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Host) {
        let directory = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let root = directory.path().to_owned();
        (directory, Host { root })
    }

    fn virtualization(files: &[(&str, &str)]) -> Option<String> {
        host(files).1.facts().virtualization
    }

    #[test]
    fn this_host_has_a_kernel_and_is_quickly_asked() {
        facts();
        let began = Instant::now();
        let facts = facts();
        assert!(began.elapsed().as_millis() < 20, "took {:?}", began.elapsed());
        assert!(facts.kernel.starts_with(|first: char| first.is_ascii_digit()), "{}", facts.kernel);
        assert_eq!(facts.boot_id.unwrap().len(), 36);
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        let (_directory, host) = host(&[]);
        let facts = host.facts();
        assert_eq!((facts.kernel.as_str(), facts.os, facts.lsm), ("", None, None));
        assert_eq!((facts.hostname, facts.boot_id, facts.virtualization), (None, None, None));
    }

    #[test]
    fn reads_what_is_there() {
        let (_directory, host) = host(&[
            ("proc/sys/kernel/osrelease", "6.1.0-13-amd64\n"),
            ("proc/sys/kernel/version", "#1 SMP Debian\n"),
            ("etc/os-release", "NAME=x\nPRETTY_NAME=\"A \\\"B\\\" 1\"\n"),
            ("sys/kernel/security/lsm", "capability,landlock,bpf"),
        ]);
        let facts = host.facts();
        assert_eq!(facts.kernel, "6.1.0-13-amd64 #1 SMP Debian");
        assert_eq!(facts.os.as_deref(), Some("A \"B\" 1"));
        assert_eq!(facts.lsm.unwrap(), ["capability", "landlock", "bpf"]);
    }

    #[test]
    fn containers_are_told_before_hypervisors() {
        let clock = "sys/devices/system/clocksource/clocksource0/available_clocksource";
        for (files, expected) in [
            (&[(".dockerenv", ""), (clock, "tsc kvm-clock")][..], Some("docker")),
            (&[("run/.containerenv", "")], Some("podman")),
            (&[("run/systemd/container", "systemd-nspawn\n")], Some("systemd-nspawn")),
            (&[("proc/1/environ", "A=1\0container=lxc\0")], Some("lxc")),
            (&[("proc/1/cgroup", "0::/kubepods/burstable/pod1\n")], Some("kubernetes")),
            (&[("proc/1/cgroup", "0::/init.scope\n")], None),
            (&[(clock, "tsc kvm-clock \n")], Some("kvm")),
            (&[("sys/class/dmi/id/sys_vendor", "QEMU\n")], Some("qemu")),
            (
                &[
                    ("sys/class/dmi/id/product_name", "c5.metal\n"),
                    ("sys/class/dmi/id/sys_vendor", "Amazon EC2"),
                ],
                None,
            ),
            (&[("sys/firmware/acpi/tables/FACP", "FACP\0\0\0\0\0\0FIRECKFCVMFADT")], Some("firecracker")),
            (&[("proc/cpuinfo", "processor : 0\nflags : fpu hypervisor lm\n")], Some("vm-other")),
            (&[("proc/cpuinfo", "processor : 0\nflags : fpu lm\n")], None),
        ] {
            assert_eq!(virtualization(files).as_deref(), expected, "{files:?}");
        }
    }
}
