// All words in Chinese, a file for each part of the page.
import access from './access'
import authentication from './authentication'
import authorization from './authorization'
import clients from './clients'
import debug from './debug'
import did from './did'
import flapping from './flapping'
import flow from './flow'
import listeners from './listeners'
import messages from './messages'
import metrics from './metrics'
import overview from './overview'
import palette from './palette'
import payload from './payload'
import reason from './reason'
import security from './security'
import settings from './settings'
import shell from './shell'
import system from './system'
import topics from './topics'

export default {
  ...access,
  ...authentication,
  ...authorization,
  ...clients,
  ...debug,
  ...did,
  ...flapping,
  ...flow,
  ...overview,
  ...palette,
  ...payload,
  ...reason,
  ...listeners,
  ...metrics,
  ...security,
  ...settings,
  ...shell,
  ...system,
  ...topics,
  ...messages,
}
