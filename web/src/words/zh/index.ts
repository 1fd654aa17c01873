// All words in Chinese, a file for each part of the page.
import access from './access'
import clients from './clients'
import debug from './debug'
import did from './did'
import overview from './overview'
import payload from './payload'
import palette from './palette'
import settings from './settings'
import shell from './shell'
import system from './system'

export default { ...shell, ...overview, ...clients, ...debug, ...access, ...did, ...palette, ...settings, ...system, ...payload }
