use super::*;
use netdrv::pktbuf::{BUF_BYTES, PoolMemory};

fn buffer(pool: &'static Pool, bytes: &[u8]) -> PktBuf {
    let mut buffer = pool.alloc().unwrap();
    buffer.extend_from_slice(bytes).unwrap();
    buffer
}

#[test]
fn small_buffers_are_joined() {
    let pool = Pool::leak(PoolMemory::leak(4));
    let (mut inputs, mut chain) = (Inputs::new(pool), Chain::default());
    for byte in 0..200u8 {
        inputs.push(&mut chain, buffer(pool, &[byte]), 0).unwrap();
    }
    assert_eq!((inputs.in_use(), pool.available()), (1, 3));
    assert_eq!(inputs.front(&chain).unwrap().bytes(), (0..200).collect::<Vec<u8>>());
    assert_eq!(inputs.clear(&mut chain), 200);
    assert_eq!((inputs.in_use(), pool.available()), (0, 4));
}

#[test]
fn a_line_over_buffers_is_pulled_up() {
    let pool = Pool::leak(PoolMemory::leak(4));
    let (mut inputs, mut chain) = (Inputs::new(pool), Chain::default());
    let bytes: Vec<u8> = (0..2800).map(|i| i as u8).collect();
    inputs.push(&mut chain, buffer(pool, &bytes[..1400]), 0).unwrap();
    inputs.push(&mut chain, buffer(pool, &bytes[1400..]), 0).unwrap();
    inputs.trim_front(&mut chain, 1000);
    assert_eq!(inputs.pull_up(&mut chain), Ok(1400));
    assert_eq!(inputs.front(&chain).unwrap().bytes(), &bytes[1000..]);
    assert_eq!((inputs.in_use(), inputs.pull_up(&mut chain)), (1, Ok(0)));
    inputs.push(&mut chain, buffer(pool, &bytes[..1400]), 0).unwrap();
    assert_eq!(inputs.pull_up(&mut chain), Ok(BUF_BYTES - 1800));
    inputs.trim_front(&mut chain, BUF_BYTES);
    assert_eq!(inputs.front(&chain).unwrap().bytes(), &bytes[BUF_BYTES - 1800..1400]);
    inputs.clear(&mut chain);
    assert_eq!(pool.available(), 4);
}

#[test]
fn shared_buffers_are_not_written_to() {
    let pool = Pool::leak(PoolMemory::leak(3));
    let (mut inputs, mut chain) = (Inputs::new(pool), Chain::default());
    let first = buffer(pool, b"abc");
    inputs.push(&mut chain, first.clone(), 0).unwrap();
    inputs.push(&mut chain, buffer(pool, b"def"), 0).unwrap();
    assert_eq!(inputs.in_use(), 2);
    assert_eq!(inputs.pull_up(&mut chain), Ok(3));
    assert_eq!(inputs.front(&chain).unwrap().bytes(), b"abcdef");
    assert_eq!(first.bytes(), b"abc");
}

#[test]
fn scarce_buffers_are_not_kept() {
    let pool = Pool::leak(PoolMemory::leak(4));
    let (mut inputs, mut chain) = (Inputs::new(pool), Chain::default());
    inputs.push(&mut chain, buffer(pool, &[0; 1500]), 3).unwrap();
    assert_eq!(inputs.push(&mut chain, buffer(pool, &[0; 1500]), 3), Err(NoBuffers), "2 are left");
    assert_eq!(inputs.push(&mut chain, buffer(pool, &[0; 100]), 3), Ok(()), "joined");
    assert_eq!(inputs.push(&mut chain, buffer(pool, &[0; 1500]), 2), Ok(()));
    assert_eq!((inputs.clear(&mut chain), pool.available()), (3100, 4));
}
