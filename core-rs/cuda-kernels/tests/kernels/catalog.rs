//! That there is a kernel for every name, and what the emulation refuses.

use tgi_cuda_kernels::FATBIN;
use tgi_cuda_kernels::emulate::{self, Order};
use tgi_cuda_kernels::signatures::{
    AttentionTile, DequantizeParams, Element, FillParams, Kernel, Launch,
};

fn refusal(kernel: Kernel, launch: &Launch) -> String {
    let params = DequantizeParams::default();
    // SAFETY: a launch without blocks reads nothing.
    let result = unsafe { emulate::launch(kernel, launch, &params, Order::Forward) };
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

const NOTHING: Launch = Launch { grid: [0, 1, 1], block: [32, 1, 1], shared_bytes: 0 };

#[test]
fn every_name_is_that_of_a_kernel() {
    for kernel in Kernel::all() {
        let refusal = refusal(kernel, &NOTHING);
        assert!(refusal.is_empty() || refusal.ends_with("another size"), "{refusal}");
    }
    let unknown = refusal(Kernel::AttentionMma(7, Element::Bf16), &NOTHING);
    assert_eq!(unknown, "Cannot run kernel tgi_attention_mma_7_bf16: no such kernel");
}

#[test]
fn a_fatbin_is_there_exactly_where_the_build_had_nvcc() {
    // Without nvcc there is none, and the build has said so.
    assert_eq!(FATBIN.is_some(), cfg!(tgi_fatbin));
    let Some(fatbin) = FATBIN else { return };
    assert_eq!(fatbin.as_ptr() as usize % 16, 0);
    assert_eq!(fatbin[..4], 0xBA55_ED50u32.to_le_bytes(), "no fatbin's magic number");
}

#[test]
fn launches_that_a_gpu_would_refuse_are_refused() {
    let kernel = Kernel::Dequantize(tgi_cuda_kernels::signatures::Blocks::Q8_0, Element::F32);
    let wide = Launch { block: [512, 1, 1], ..NOTHING };
    assert!(refusal(kernel, &wide).ends_with("more threads than the kernel is made for"));
    let high = Launch { grid: [0, 70_000, 1], ..NOTHING };
    assert!(refusal(kernel, &high).ends_with("beyond a GPU's limits"));
}

#[test]
fn a_misaligned_read_is_an_error() {
    use tgi_cuda_kernels::signatures::CopyPageParams;
    let mut page = crate::buffers::Buffer::new(&[AttentionTile::default(); 5]);
    let params = CopyPageParams {
        base: page.pointer() + 4,
        page_bytes: 16,
        chunks: 1,
        to: 1,
        ..CopyPageParams::default()
    };
    // SAFETY: the page and its copy lie in the buffer.
    let result =
        unsafe { emulate::launch(Kernel::CopyPage, &params.launch(), &params, Order::Forward) };
    assert!(result.unwrap_err().to_string().ends_with("a misaligned access"));
}

#[test]
fn a_filling_is_even_and_depends_on_place_and_seed_alone() {
    for element in Element::ALL {
        let fill = |seed, count: usize| {
            crate::buffers::in_both_orders(|order| {
                let mut out = crate::buffers::Buffer::rounded(element, &vec![9.0; count]);
                let params = FillParams {
                    out: out.pointer(),
                    count: count as u64,
                    seed,
                    amplitude: 0.5,
                    reserved: 0,
                };
                crate::buffers::run(Kernel::Fill(element), &params.launch(), &params, order);
                out.numbers(element)
            })
        };
        let numbers = fill(3, 10_000);
        assert_eq!(numbers[..700], fill(3, 700));
        assert_ne!(numbers[..700], fill(4, 700));
        assert!(numbers.iter().all(|number| number.abs() <= 0.5));
        let mean = numbers.iter().sum::<f32>() / 10_000.0;
        let square = numbers.iter().map(|x| x * x).sum::<f32>() / 10_000.0;
        assert!(mean.abs() < 0.01 && (square - 1.0 / 12.0).abs() < 0.003, "{mean} {square}");
    }
}
