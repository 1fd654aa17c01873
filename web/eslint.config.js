// What is refused beyond the types: the recommended rules for TypeScript and Vue, and ways around the
// Content-Security-Policy.
import vue from 'eslint-plugin-vue'
import { defineConfig } from 'eslint/config'
import ts from 'typescript-eslint'

export default defineConfig(
  { ignores: ['dist', 'src/api/schema.d.ts'] },
  ts.configs.strict,
  vue.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      'no-console': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      eqeqeq: 'error',
      'vue/no-v-html': 'error',
      'vue/block-order': ['error', { order: ['script', 'template', 'style'] }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/define-macros-order': 'error',
      'vue/html-button-has-type': 'error',
      'vue/no-unused-emit-declarations': 'error',
      'vue/no-static-inline-styles': 'error',
      'vue/require-default-prop': 'off',
      // How lines are broken is not worth a rule.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-self-closing': ['error', { html: { void: 'always' } }],
    },
  },
  { files: ['tests/**'], rules: { 'no-console': 'off' } },
)
