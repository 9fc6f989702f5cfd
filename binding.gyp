# The same addon as CMakeLists.txt, for node-gyp. `npm run build:gyp` runs it; the published package has none, since package managers
# compile what has one. Keep flags in step.
{
  'target_defaults': {
    'include_dirs': ['native', '<!(node -p "require(\'path\').dirname(require.resolve(\'node-addon-api\'))")', '<!(node -p "require(\'node-api-headers\').include_dir")'],
    'defines': [
      'NAPI_VERSION=9', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED',
      'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS', 'NODE_API_NO_EXTERNAL_BUFFERS_ALLOWED', 'NDEBUG'
    ],
    'cflags': ['-fvisibility=hidden', '-fno-math-errno', '-ffp-contract=off', '-pthread', '-Wno-psabi', '-ffunction-sections', '-fdata-sections'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++20', '-fvisibility-inlines-hidden', '-fno-exceptions', '-fno-rtti', '-O3'],
    'xcode_settings': {
      'CLANG_CXX_LANGUAGE_STANDARD': 'c++20',
      'GCC_SYMBOLS_PRIVATE_EXTERN': 'YES',
      'OTHER_CPLUSPLUSFLAGS': ['-fno-math-errno', '-ffp-contract=off', '-O3'],
      'MACOSX_DEPLOYMENT_TARGET': '11.0'
    }
  },
  'targets': [
    {
      'target_name': 'nodegrad',
      'sources': ['<!@(node scripts/sources.mjs common)'],
      'dependencies': ['nodegrad_scalar', 'nodegrad_avx2', 'nodegrad_avx512'],
      'conditions': [
        ['OS=="linux"', {
          'libraries': ['-ldl'],
          'ldflags!': ['-rdynamic'],
          'ldflags': [
            '-pthread', '-static-libstdc++', '-static-libgcc', '-Wl,-z,nodelete', '-Wl,-z,relro', '-Wl,-z,now', '-Wl,--gc-sections',
            '-Wl,--version-script=<(module_root_dir)/native/binding/exports.map'
          ]
        }]
      ]
    },
    # gyp knows no flags per file, so each instruction set is a library of one file.
    {
      'target_name': 'nodegrad_scalar',
      'type': 'static_library',
      'sources': ['native/kernels/scalar.cc'],
      'cflags_cc!': ['-O3'],
      'cflags_cc': ['-O2']
    },
    {
      'target_name': 'nodegrad_avx2',
      'type': 'static_library',
      'sources': ['native/kernels/avx2.cc'],
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['-mavx2', '-mfma', '-mbmi2'],
          'xcode_settings': { 'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mbmi2'] }
        }]
      ]
    },
    {
      'target_name': 'nodegrad_avx512',
      'type': 'static_library',
      'sources': ['native/kernels/avx512.cc'],
      'conditions': [
        ['target_arch=="x64"', {
          'cflags': ['-mavx2', '-mfma', '-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mprefer-vector-width=512'],
          'xcode_settings': {
            'OTHER_CPLUSPLUSFLAGS': ['-mavx2', '-mfma', '-mavx512f', '-mavx512dq', '-mavx512bw', '-mavx512vl', '-mprefer-vector-width=512']
          }
        }]
      ]
    }
  ]
}
