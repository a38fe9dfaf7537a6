use super::*;

#[test]
fn last_handle_returns_the_buffer() {
    let pool = Pool::leak(PoolMemory::leak(2));
    let a = pool.alloc().unwrap();
    let shared = a.clone();
    let b = pool.alloc().unwrap();
    assert!(pool.alloc().is_none());
    drop(a);
    assert!(pool.alloc().is_none(), "a clone still holds it");
    drop(shared);
    assert_eq!(pool.available(), 1);
    drop(b);
    assert_eq!(pool.available(), pool.capacity());
}

#[test]
fn bytes_grow_at_both_ends() {
    let pool = Pool::leak(PoolMemory::leak(1));
    let mut buf = pool.alloc().unwrap();
    buf.extend_from_slice(b"payload").unwrap();
    buf.prepend(4).unwrap().copy_from_slice(b"head");
    assert_eq!(buf.bytes(), b"headpayload");
    buf.trim_front(4);
    buf.truncate(3);
    assert_eq!(buf.bytes(), b"pay");
    assert_eq!(buf.headroom() + buf.len() + buf.tailroom(), BUF_BYTES);
    assert!(buf.prepend(buf.headroom() + 1).is_none());
    assert!(buf.append(buf.tailroom() + 1).is_none());
    assert_eq!(buf.bytes(), b"pay");
    buf.trim_front(100);
    assert!(buf.is_empty());
}

#[test]
fn headers_lie_in_front_of_the_payload() {
    let pool = Pool::leak(PoolMemory::leak(1));
    let mut payload = pool.alloc().unwrap();
    payload.extend_from_slice(b"payload").unwrap();
    *payload.headers_mut().unwrap() = *b"head";
    let frame = payload.with_headers(4).unwrap();
    assert_eq!((frame.bytes(), payload.bytes()), (&b"headpayload"[..], &b"payload"[..]));
    assert!(payload.headers_mut::<4>().is_none(), "shared");
    drop(frame);
    assert!(payload.headers_mut::<{ HEADROOM + 1 }>().is_none() && payload.with_headers(HEADROOM + 1).is_none());
    drop(payload);
    assert_eq!(pool.available(), pool.capacity());
}

#[test]
fn shared_bytes_are_read_only() {
    let pool = Pool::leak(PoolMemory::leak(1));
    let mut buf = pool.alloc().unwrap();
    buf.extend_from_slice(b"x").unwrap();
    let other = buf.clone();
    assert!(buf.bytes_mut().is_none());
    assert!(buf.prepend(1).is_none());
    assert!(buf.append(1).is_none());
    drop(other);
    assert!(buf.bytes_mut().is_some());
}

#[test]
fn views_have_bounds_of_their_own() {
    let pool = Pool::leak(PoolMemory::leak(1));
    let mut buf = pool.alloc().unwrap();
    buf.extend_from_slice(b"abc").unwrap();
    let mut view = buf.clone();
    view.trim_front(1);
    assert_eq!((buf.bytes(), view.bytes()), (&b"abc"[..], &b"bc"[..]));
    assert_eq!(buf.dma_addr() + 1, view.dma_addr());
}

#[test]
fn a_view_narrows_to_what_it_has() {
    let pool = Pool::leak(PoolMemory::leak(1));
    let mut buf = pool.alloc().unwrap();
    buf.extend_from_slice(b"head payload tail").unwrap();
    buf.narrow(5..12);
    assert_eq!((buf.bytes(), buf.headroom()), (&b"payload"[..], HEADROOM + 5));
    buf.narrow(3..100);
    assert_eq!((buf.bytes(), buf.headroom()), (&b"load"[..], HEADROOM + 8));
    buf.narrow(9..10);
    assert_eq!((buf.len(), buf.headroom()), (0, HEADROOM + 12));
}

#[test]
fn an_empty_pool_lends_nothing() {
    assert!(Pool::leak(PoolMemory::leak(0)).alloc().is_none());
}
