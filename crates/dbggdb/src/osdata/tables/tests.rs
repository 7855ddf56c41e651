//! What the kernel's files say, as tables.

use super::*;

fn who() -> Who {
    let names = |text: &str| names(text);
    Who {
        users: names("root:x:0:0:root:/root:/bin/sh\nbroken\nme:x:1000:100::/:\n"),
        groups: names("root:x:0:\nusers:x:100:me\n"),
        commands: [(7, "maker".to_owned())].into(),
    }
}

fn row(table: &Table, index: usize) -> Vec<(&str, &str)> {
    let text = |(name, value): &'static (String, String)| (name.as_str(), value.as_str());
    let row: &'static Vec<(String, String)> = Box::leak(Box::new(table.rows[index].clone()));
    row.iter().map(text).collect()
}

#[test]
fn times_are_those_of_ctime() {
    assert_eq!(time(0), "");
    assert_eq!(time(1_795_291_844), "Sat Nov 21 20:10:44 2026");
    assert_eq!(time(951_782_400), "Tue Feb 29 00:00:00 2000");
    assert_eq!(time(951_868_799), "Tue Feb 29 23:59:59 2000");
    assert_eq!(time(978_307_199), "Sun Dec 31 23:59:59 2000");
    assert_eq!(time(4_107_542_400), "Mon Mar  1 00:00:00 2100");
    assert!(!time(u64::MAX).is_empty());
}

#[test]
fn shared_memory_is_told_of_by_names() {
    let text = concat!(
        "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid",
        "  cgid      atime      dtime      ctime                   rss                  swap\n",
        "1421768819          3   644                   100     7     8      2  1000   100     0",
        "     0          0          0 1795291844                     0                     0\n"
    );
    let table = shared_memory(text, &who());
    let expected = [
        ("key", "1421768819"),
        ("shmid", "3"),
        ("permissions", "644"),
        ("size", "100"),
        ("creator command", "maker"),
        ("last op. command", "8"),
        ("num attached", "2"),
        ("user", "me"),
        ("group", "users"),
        ("creator user", "root"),
        ("creator group", "root"),
        ("last shmat() time", ""),
        ("last shmdt() time", ""),
        ("last shmctl() time", "Sat Nov 21 20:10:44 2026"),
    ];
    assert_eq!(row(&table, 0), expected);
}

#[test]
fn queues_and_semaphores_have_their_columns() {
    let queue = message_queues("title\n-16632150 1 644 5 6 7 0 0 0 0 0 0 0 1795291844\n", &who());
    assert_eq!(
        row(&queue, 0)[3..6],
        [("num used bytes", "5"), ("num messages", "6"), ("last msgsnd() command", "maker")]
    );
    let semaphore = semaphores("title\n2007896217 0 644 3 0 0 0 0 0 1795291844\n", &who());
    assert_eq!(row(&semaphore, 0)[3], ("num semaphores", "3"));
    assert_eq!(row(&semaphore, 0)[9].1, "Sat Nov 21 20:10:44 2026");
}

#[test]
fn sockets_have_addresses_and_states() {
    let users = who().users;
    let tcp = concat!(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n",
        "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 15\n"
    );
    let rows = sockets("tcp", tcp, &users);
    let expected = ["127.0.0.1", "5432", "0.0.0.0", "0", "LISTEN", "me", "INET", "STREAM"];
    assert_eq!(rows, [expected.map(str::to_owned).to_vec()]);
    let udp6 = concat!(
        "title\n",
        "   9: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 ",
        "00000000:00000000 00:00000000 00000000     0 0 15\n"
    );
    let rows = sockets("udp6", udp6, &users);
    assert_eq!(rows, [["::1", "53", "::", "0", "", "root", "INET6", "DGRAM"].map(str::to_owned)]);
    assert!(sockets("tcp", "title\nnothing of use\n0: 1:2 3:4 5", &users).is_empty());
}

#[test]
fn a_processs_name_may_hold_anything() {
    assert_eq!(process_group("77 (a) 1 (b)) S 1 4711 22"), Some(4711));
    assert_eq!(process_group("77"), None);
}

#[test]
fn processors_are_paragraphs() {
    let table = cpus("processor\t: 0\nmodel name\t: A & B\n\nprocessor\t: 1\n\n");
    assert_eq!(table.rows.len(), 2);
    assert_eq!(row(&table, 0), [("processor", "0"), ("model name", "A & B")]);
    let document = table.document();
    let item = "<item><column name=\"processor\">0</column>\
                <column name=\"model name\">A &amp; B</column></item>";
    assert!(document.contains(item), "{document}");
}

#[test]
fn modules_have_six_columns() {
    let table = modules("loop 28672 0 - Live 0x0000000000000000 (O)\n");
    assert_eq!(row(&table, 0)[5], ("address", "0x0000000000000000"));
}
