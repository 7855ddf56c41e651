//! Tables as the kernel prints them, on a little-endian machine unless said otherwise.

use super::*;
use proptest::prelude::*;

/// A client of uid 1000 connected to a dual-stack server of root: both ends, in their tables.
const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:07E8 00000000:0000 0A \
      00000000:00000000 00:00000000 00000000     0        0 1553 1 0 100 0 0 10 0
   3: 0100007F:AC30 0100007F:D3C3 01 \
      00000000:00000000 00:00000000 00000000  1000        0 6887 2 0 20 0 0 10 -1
";
const TCP6: &str = "\
  sl  local_address                         remote_address                        \
      st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:D3C3 00000000000000000000000000000000:0000 0A \
      00000000:00000000 00:00000000 00000000     0        0 6886 1 0 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:D3C3 0000000000000000FFFF00000100007F:AC30 01 \
      00000000:00000000 00:00000000 00000000     0        0 6888 1 0 20 0 0 10 -1
   2: B80D01200000000067452301EFCDAB89:1F90 B80D012000000000000000000F000000:0401 01 \
      00000000:00000000 00:00000000 00000000  1001        0 6889 1 0 20 0 0 10 -1
";

fn address(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

#[test]
#[cfg(target_endian = "little")]
fn the_row_is_the_one_of_the_peer() {
    let (client, server) = (address("127.0.0.1:44080"), address("127.0.0.1:54211"));
    assert_eq!(find_uid(TCP, client, server), Some(1000));
    // Seen from the client, the peer is the server, whose socket is an IPv6 one.
    assert_eq!(find_uid(TCP, server, client), None);
    assert_eq!(find_uid(TCP6, server, client), Some(0));
    assert_eq!(find_uid(TCP6, client, server), None);
    // Addresses in IPv6 form mean the same.
    let (client, server) = (mapped(client), mapped(server));
    assert_eq!(find_uid(TCP6, server, client), Some(0));
}

#[test]
#[cfg(target_endian = "little")]
fn ipv6_addresses_are_four_numbers() {
    let peer = address("[2001:db8::123:4567:89ab:cdef]:8080");
    assert_eq!(find_uid(TCP6, peer, address("[2001:db8::f]:1025")), Some(1001));
    assert_eq!(find_uid(TCP6, peer, address("[2001:db8::f]:1026")), None);
    assert_eq!(find_uid(TCP6, address("[2001:db8::f]:1025"), peer), None);
}

/// A row whose state, uid and inode are these.
fn row(peer: SocketAddr, local: SocketAddr, state: &str, uid: u32, inode: u64) -> String {
    let (peer, local) = (column(peer), column(local));
    format!("   3: {peer} {local} {state} 0:0 00:0 00000000 {uid:5} 0 {inode} 2 0 20 4 30 10 -1\n")
}

#[test]
fn a_socket_without_a_process_has_no_user() {
    let (peer, local) = (address("10.0.0.1:4000"), address("10.0.0.1:5000"));
    assert_eq!(find_uid(&row(peer, local, "01", 1000, 77), peer, local), Some(1000));
    // FIN_WAIT2, TIME_WAIT, CLOSE_WAIT, LAST_ACK: closed, or about to be.
    for state in ["05", "06", "08", "09"] {
        assert_eq!(find_uid(&row(peer, local, state, 0, 77), peer, local), None, "{state}");
    }
    // Not accepted yet, and listed as root's.
    assert_eq!(find_uid(&row(peer, local, "01", 0, 0), peer, local), None);
}

#[test]
fn cut_and_strange_lines_are_passed_over() {
    let (peer, local) = (address("10.0.0.1:4000"), address("10.0.0.1:5000"));
    let good = row(peer, local, "01", 1000, 77);
    for cut in 0..good.trim_end().len() {
        let start = good.get(..cut).expect("ASCII");
        let uid = find_uid(start, peer, local);
        assert!(uid.is_none() || start.contains(" 7"), "{start}");
    }
    let table = format!("\n   1:\n{}{good}", good.replace("1000", "many"));
    assert_eq!(find_uid(&table, peer, local), Some(1000));
}

proptest! {
    #[test]
    fn exactly_the_peers_row_is_found(
        peer in any::<SocketAddr>(),
        local in any::<SocketAddr>(),
        uid in any::<u32>(),
    ) {
        let table = row(peer, local, "01", uid, 1);
        prop_assert_eq!(find_uid(&table, peer, local), Some(uid));
        prop_assume!(mapped(peer).ip() != mapped(local).ip() || peer.port() != local.port());
        prop_assert_eq!(find_uid(&table, local, peer), None);
    }

    #[test]
    fn no_table_panics(table in "(\\PC{0,30}\n){0,5}", peer in any::<SocketAddr>()) {
        prop_assert_eq!(find_uid(&table, peer, peer), None);
    }
}
