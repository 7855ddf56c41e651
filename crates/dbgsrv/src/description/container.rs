//! In which container a process is, read from the path of its control group: engines name groups
//! after containers, each in its own way. Pure; it opens nothing and asks no engine.
//!
//! ```text
//!   docker       /docker/ID                      /system.slice/docker-ID.scope
//!   containerd   /kubepods/…/podUID/ID           /kubepods.slice/…/cri-containerd-ID.scope
//!                                                /system.slice/nerdctl-ID.scope
//!   cri-o        /kubepods/…/crio-ID             /kubepods.slice/…/crio-ID.scope
//!   podman       /libpod_parent/libpod-ID        /user.slice/…/libpod-ID.scope/container
//!   nspawn       /machine.slice/systemd-nspawn@NAME.service, /machine.slice/machine-NAME.scope
//!   lxc          /lxc/NAME   /lxc.payload/NAME   /lxc.payload.NAME
//! ```
//!
//! An ID has 64 hexadecimal digits. Groups of what watches a container, as `crio-conmon-ID.scope`
//! and `lxc.monitor.NAME`, are none. Of containers in containers the innermost counts.

use dbgwire::verbs::description::ContainerDescription;

/// How many digits an id has.
const ID_LEN: usize = 64;

/// What stands in front of the id in a component of the path, and whose it is.
const PREFIXES: [(&str, &str); 8] = [
    ("docker-", "docker"),
    ("cri-containerd-", "containerd"),
    ("nerdctl-", "containerd"),
    ("containerd-", "containerd"),
    ("crio-", "cri-o"),
    ("libpod-", "podman"),
    ("podman-", "podman"),
    ("buildah-", "buildah"),
];

/// What a file /proc/PID/cgroup says (cgroups(7)).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ControlGroup {
    /// The path in the unified hierarchy, or in the first one there is.
    pub(crate) path: Vec<u8>,
    /// The container, if a path tells of one.
    pub(crate) container: Option<ContainerDescription>,
}

/// Reads the lines `HIERARCHY:CONTROLLERS:PATH`.
pub(crate) fn parse(text: &[u8]) -> ControlGroup {
    let lines = text.split(|byte| *byte == b'\n');
    let fields = lines.filter_map(|line| {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let groups: Vec<(&[u8], &[u8], &[u8])> = fields.collect();
    let unified = groups.iter().find(|(number, names, _)| *number == b"0" && names.is_empty());
    let path = unified.or(groups.first()).map_or(&[][..], |(_, _, path)| path);
    let of_path = |path: &[u8]| container(&String::from_utf8_lossy(path));
    // With both hierarchies, the container may show in the older one only.
    let container = of_path(path).or_else(|| groups.iter().find_map(|(_, _, path)| of_path(path)));
    ControlGroup { path: path.to_vec(), container }
}

/// The container of a path.
fn container(path: &str) -> Option<ContainerDescription> {
    let components: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let found = (0..components.len()).rev().find_map(|index| {
        let (before, rest) = components.split_at_checked(index)?;
        named(before, rest.first()?)
    });
    found.map(|(engine, id)| ContainerDescription { engine: engine.to_owned(), id })
}

/// The container that one component names, with those above it.
fn named(above: &[&str], component: &str) -> Option<(&'static str, String)> {
    let name = component.strip_suffix(".scope").unwrap_or(component);
    if let Some(id) = id(name) {
        return Some((engine_of(above), id));
    }
    let prefixed =
        |(prefix, engine): &(&str, &'static str)| Some((*engine, id(name.strip_prefix(prefix)?)?));
    if let Some(found) = PREFIXES.iter().find_map(prefixed) {
        return Some(found);
    }
    // A group that systemd was asked for and does not manage.
    if let Some((asked, id)) =
        name.rsplit_once(':').and_then(|(asked, name)| Some((asked, id(name)?)))
    {
        return Some((if asked.ends_with("crio") { "cri-o" } else { "containerd" }, id));
    }
    if let Some(machine) = component.strip_prefix("systemd-nspawn@") {
        let name = machine.strip_suffix(".service")?;
        return Some(("systemd-nspawn", unescape(name)));
    }
    if let Some(machine) = component.strip_prefix("machine-").filter(|_| component != name) {
        let machine = unescape(machine.strip_suffix(".scope")?);
        // Virtual machines have such groups as well.
        let is_container = !["qemu-", "libxl-"].iter().any(|kind| machine.starts_with(kind));
        return is_container.then_some(("systemd-nspawn", machine));
    }
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some(("lxc", name.to_owned()));
    }
    let parent = above.last().copied().unwrap_or_default();
    (parent == "lxc" || parent == "lxc.payload").then(|| ("lxc", component.to_owned()))
}

fn id(name: &str) -> Option<String> {
    let is_id = name.len() == ID_LEN && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| name.to_owned())
}

/// Who makes groups that have nothing but an id for a name.
fn engine_of(above: &[&str]) -> &'static str {
    let is_above = |wanted: &str| above.iter().any(|part| part.starts_with(wanted));
    if is_above("docker") || is_above("ecs") {
        "docker"
    } else if is_above("kubepods") {
        "containerd"
    } else if is_above("libpod") {
        "podman"
    } else {
        "container"
    }
}

/// Undoes systemd's escapes of unit names, `\x2d` for `-` (systemd.unit(5)).
fn unescape(name: &str) -> String {
    let mut plain = String::new();
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once("\\x") {
        plain.push_str(before);
        let code = behind.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code.filter(u8::is_ascii) {
            Some(code) => {
                plain.push(char::from(code));
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                plain.push_str("\\x");
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[track_caller]
    fn assert_in(path: &str, engine: &str, id: &str) {
        let path = path.replace("ID", ID);
        let group = parse(format!("0::{path}\n").as_bytes());
        let expected = ContainerDescription { engine: engine.to_owned(), id: id.replace("ID", ID) };
        assert_eq!(group.container, Some(expected), "{path}");
        assert_eq!(group.path, path.as_bytes());
    }

    #[test]
    fn each_engine_has_its_way_of_naming_groups() {
        assert_in("/docker/ID", "docker", "ID");
        assert_in("/docker/ID/init", "docker", "ID");
        assert_in("/system.slice/docker-ID.scope", "docker", "ID");
        assert_in("/ecs/task/ID", "docker", "ID");
        assert_in("/kubepods/burstable/pod12-34/ID", "containerd", "ID");
        let pod = "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1_2.slice";
        assert_in(&format!("{pod}/cri-containerd-ID.scope"), "containerd", "ID");
        assert_in(&format!("{pod}/crio-ID.scope"), "cri-o", "ID");
        assert_in("/kubepods/besteffort/pod1/crio-ID", "cri-o", "ID");
        let asked = "/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:ID";
        assert_in(asked, "containerd", "ID");
        assert_in("/system.slice/nerdctl-ID.scope", "containerd", "ID");
        let user = "/user.slice/user-1000.slice/user@1000.service/user.slice";
        assert_in(&format!("{user}/libpod-ID.scope/container"), "podman", "ID");
        assert_in("/libpod_parent/libpod-ID", "podman", "ID");
        assert_in("/machine.slice/systemd-nspawn@web.service/payload", "systemd-nspawn", "web");
        assert_in("/machine.slice/machine-my\\x2dbox.scope", "systemd-nspawn", "my-box");
        assert_in("/lxc/web/init.scope", "lxc", "web");
        assert_in("/lxc.payload.web", "lxc", "web");
        assert_in("/lxc.payload/web/user.slice", "lxc", "web");
    }

    #[test]
    fn of_containers_in_containers_the_innermost_counts() {
        let inner = ID.replace('0', "f");
        assert_in(&format!("/docker/ID/docker/{inner}"), "docker", &inner);
        assert_in("/lxc.payload.outer/docker/ID", "docker", "ID");
    }

    #[test]
    fn a_group_seen_from_another_container_is_read_as_well() {
        assert_in("/../ID", "container", "ID");
        assert_in("/../../docker/ID", "docker", "ID");
    }

    #[test]
    fn what_is_no_container_is_none() {
        for path in [
            "/",
            "",
            "/init.scope",
            "/system.slice/docker.service",
            "/system.slice/containerd.service",
            "/user.slice/user-1000.slice/session-3.scope",
            "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
            "/lxc.monitor.web",
            "/docker/0123",
        ] {
            let group = parse(format!("0::{path}\n").as_bytes());
            assert_eq!(group.container, None, "{path}");
        }
        for path in
            ["/kubepods.slice/crio-conmon-ID.scope", "/machine.slice/libpod-conmon-ID.scope"]
        {
            let group = parse(format!("0::{}\n", path.replace("ID", ID)).as_bytes());
            assert_eq!(group.container, None, "{path}");
        }
    }

    #[test]
    fn older_hierarchies_are_looked_at_too() {
        let text = format!("12:pids:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/x\n");
        let group = parse(text.as_bytes());
        assert_eq!(group.path, b"/x");
        assert_eq!(group.container.map(|container| container.engine), Some("docker".to_owned()));
        let group = parse(b"4:cpu,cpuacct:/a:b\n");
        assert_eq!((group.path, group.container), (b"/a:b".to_vec(), None));
        assert_eq!(parse(b"").path, b"");
        assert_eq!(unescape("a\\x2db\\xzz\\x"), "a-b\\xzz\\x");
    }
}
