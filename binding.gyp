{
  # The native engine. Built by `npm run build:native`; nothing compiles at `npm ci` (gypfile: false).
  'targets': [{
    'target_name': 'scopeline',
    'sources': [
      'native/addon/abstract_socket.cc',
      'native/addon/addon.cc',
      'native/addon/arguments.cc',
      'native/engine/key.cc',
      'native/engine/level_avx2.cc',
      'native/engine/level_avx512.cc',
      'native/engine/level_portable.cc',
      'native/engine/levels.cc',
      'native/engine/number.cc',
      'native/engine/path_table.cc',
    ],
    'include_dirs': ['native/engine', "<!(node -p \"require('node-addon-api').include_dir\")"],
    'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
    # Exceptions stay on for the standard library's; the addon turns them into JavaScript errors.
    'cflags_cc!': ['-std=gnu++17', '-fno-exceptions', '-fno-rtti', '-O2'],
    'cflags_cc': [
      '-std=c++20', '-O3', '-fvisibility=hidden', '-Wall', '-Wextra', '-Werror', '-Wno-cast-function-type',
    ],
    'cflags!': ['-g'],
    'ldflags': ['-Wl,--gc-sections'],
  }],
}
